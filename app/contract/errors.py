"""Every error that a caller can meet, with its HTTP status and its code.

DarkroomError                500 internal
├── RequestRejected          400, the caller's: retrying does not help
│   ├── KeyInvalid           401
│   ├── ScopeMissing         403
│   ├── LinkInvalid          403
│   ├── LinkExpired          403
│   ├── InvalidField         422, names the field
│   ├── ModelNotFound        422, the field is `model`
│   ├── JobNotFound          404
│   ├── JobErased            410
│   ├── ImageNotFound        404
│   ├── EndpointNotFound     404
│   ├── EndpointsFull        409
│   ├── DeliveryNotFound     404
│   └── JobConflict          422
├── Overloaded               503, with Retry-After
│   ├── QueueFull
│   ├── ShareFull            429
│   ├── RedisUnavailable
│   └── StorageUnavailable
├── Undelivered              recorded on the webhook's delivery
└── GenerationFailed         recorded on the job, never an answer over HTTP
    ├── ModelUnloadable      ends a worker's start, if it has no other model
    │   └── ModelTooLarge
    ├── LoraUnloadable
    ├── OutOfMemory
    ├── DeadlinePassed
    ├── InvalidImage
    ├── InputUnavailable
    ├── OutputUnstored
    └── WorkerLost
"""

from typing import ClassVar


class DarkroomError(Exception):
    """Raised when Darkroom itself is at fault."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    field: str | None = None


class RequestRejected(DarkroomError):
    """Raised when a request cannot be served as it was sent."""

    status = 400
    code = "bad_request"


class KeyInvalid(RequestRejected):
    """Raised when a request comes without an API key that is in force."""

    status = 401
    code = "invalid_api_key"

    def __init__(self, message: str = "This API key is unknown, revoked or expired.") -> None:
        super().__init__(message)


class ScopeMissing(RequestRejected):
    """Raised when the API key is not for what was asked."""

    status = 403
    code = "scope_missing"


class LinkInvalid(RequestRejected):
    """Raised when the signature of an address is not ours."""

    status = 403
    code = "link_invalid"


class LinkExpired(RequestRejected):
    """Raised when the time of a signed address is over."""

    status = 403
    code = "link_expired"


class InvalidField(RequestRejected):
    """Raised when one field of the request is at fault; `field` is its dotted path."""

    status = 422
    code = "invalid_field"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class ModelNotFound(InvalidField):
    """Raised when the catalogue does not hold the model."""

    code = "model_not_found"

    def __init__(self, model: str, known: list[str]) -> None:
        super().__init__("model", f"There is no model {model!r}; the catalogue holds {', '.join(known)}.")


class JobNotFound(RequestRejected):
    """Raised when no job has this id, or it is no longer kept."""

    status = 404
    code = "job_not_found"


class JobErased(RequestRejected):
    """Raised when the job was erased."""

    status = 410
    code = "job_erased"


class ImageNotFound(RequestRejected):
    """Raised when the job has no such image."""

    status = 404
    code = "image_not_found"


class JobConflict(RequestRejected):
    """Raised when the id or the idempotency key already belongs to a job with another body."""

    status = 422
    code = "job_conflict"


class Overloaded(DarkroomError):
    """Raised when the service cannot take the request now; `retry_after_s` says when to come again."""

    status = 503
    code = "overloaded"
    retry_after_s: int = 5


class QueueFull(Overloaded):
    """Raised when the model's queue holds as many jobs as it may."""

    code = "queue_full"


class ShareFull(Overloaded):
    """Raised when a tenant or a key has as much of something as it may; `limit` is the name of the key's."""

    status = 429
    code = "quota_exceeded"

    def __init__(self, message: str, *, limit: str | None = None, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.limit = limit
        self.retry_after_s = retry_after_s


class RedisUnavailable(Overloaded):
    """Raised when Redis does not answer."""

    code = "redis_unavailable"
    retry_after_s = 2


class StorageUnavailable(Overloaded):
    """Raised when the storage does not give a picture that it should hold."""

    code = "storage_unavailable"


class GenerationFailed(DarkroomError):
    """Raised when a job's pictures could not be made."""

    code = "generation_failed"


class ModelUnloadable(GenerationFailed):
    """Raised when a model of the catalogue cannot be loaded from its source."""

    code = "model_unloadable"


class ModelTooLarge(ModelUnloadable):
    """Raised when a model does not fit into the memory that a worker may use."""

    code = "model_too_large"


class LoraUnloadable(GenerationFailed):
    """Raised when a LoRA of the catalogue cannot be loaded from its source or does not fit its model."""

    code = "lora_unloadable"


class OutOfMemory(GenerationFailed):
    """Raised when the job does not fit into the device's memory even alone."""

    code = "out_of_memory"


class DeadlinePassed(GenerationFailed):
    """Raised when the job took longer than it may."""

    code = "deadline_passed"


class InvalidImage(GenerationFailed):
    """Raised when a picture that came with the job cannot be decoded; `field` is its dotted path."""

    code = "invalid_image"

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: The picture cannot be decoded.")
        self.field = field


class InputUnavailable(GenerationFailed):
    """Raised when the storage does not give a picture that came with the job; `field` is its dotted path."""

    code = "input_unavailable"

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: The storage does not give the picture.")
        self.field = field


class OutputUnstored(GenerationFailed):
    """Raised when the pictures were made and could not be stored."""

    code = "output_unstored"


class WorkerLost(GenerationFailed):
    """Raised when the job took its worker down as often as a job may."""

    code = "worker_lost"


class JobStopped(GenerationFailed):
    """Raised when the job was stopped by rq's own command."""

    code = "job_stopped"


class Undelivered(DarkroomError):
    """Raised when a receiver has not taken a webhook; it is `final` if another attempt would be of no use."""

    code = "undelivered"

    def __init__(self, reason: str, *, retry_after_s: float = 0.0, final: bool = False) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.final = final


class EndpointNotFound(RequestRejected):
    """Raised when the tenant has no webhook endpoint of this id."""

    status = 404
    code = "endpoint_not_found"


class EndpointsFull(RequestRejected):
    """Raised when the tenant has as many webhook endpoints as it may."""

    status = 409
    code = "endpoints_full"


class DeliveryNotFound(RequestRejected):
    """Raised when the tenant has no webhook delivery of this id, or it is no longer kept."""

    status = 404
    code = "delivery_not_found"
