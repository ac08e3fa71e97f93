"""Every name that the front end and the workers share in Redis; rq's own keys are built by rq."""

JOB_FUNCTION = "worker.task.develop"
DELIVERY_FUNCTION = "worker.courier.deliver"
DELIVERIES = "deliveries"  # the courier's queue is called as if this were a model
OPEN_TENANT = "open"  # whose job it is, as long as there are no API keys
TURNS_PREFIX = "darkroom:turns:"  # and a queue: its lines, by their next turn
EVENTS_PREFIX = "darkroom:events:"  # and a record's id
LINE_PREFIX = "darkroom:line:"  # and a queue, a colon and a line: the line's waiting jobs, oldest first
ENDPOINTS_PREFIX = "darkroom:endpoints:"  # and a tenant: the ids of its webhook endpoints
ENDPOINT_PREFIX = "darkroom:endpoint:"  # and a tenant, a colon and an endpoint's id
DELIVERIES_PREFIX = "darkroom:deliveries:"  # and a tenant: the ids of its webhook deliveries, by their time
TALLY = "darkroom:tally"  # how often what has happened to jobs, by their queue
WAKE_CHANNEL = "darkroom:wake"  # which queue has a job, or which job was canceled or erased


def record_id(tenant: str, job_id: str) -> str:
    """The id of the job's record in Redis and of its folder in the storage: each tenant has job ids of its own."""
    return job_id if tenant == OPEN_TENANT else f"{tenant}_{job_id}"


def job_id(tenant: str, record: str) -> str:
    """The id by which the tenant knows the job, from the record's."""
    return record.removeprefix(record_id(tenant, ""))


def events_key(record_id: str) -> str:
    """The stream of what happens to a job, and the channel on which each event is told."""
    return EVENTS_PREFIX + record_id


def erased_key(record_id: str) -> str:
    """The mark that stays for a while where a job was erased; it says whose."""
    return f"darkroom:erased:{record_id}"


def jobs_key(tenant: str) -> str:
    """The records of the tenant's jobs, in the order of their admission; of some the time is over."""
    return f"darkroom:jobs:{tenant}"


def input_key(record_id: str, sha256: str) -> str:
    """Where the storage keeps a picture that came with the job."""
    return f"{record_id}/inputs/{sha256}"


def preview_key(record_id: str, step: int) -> str:
    """Where the storage keeps a picture of the picture as it was after so many steps."""
    return f"{record_id}/previews/{step}.webp"


def tries_key(digest: str) -> str:
    """The jobs of the requests with one and the same body, for as long as an OpenAI client may send it again."""
    return f"darkroom:tries:{digest}"


def endpoint_key(tenant: str, endpoint_id: str) -> str:
    """What is known of a webhook endpoint, its secrets and all."""
    return f"{ENDPOINT_PREFIX}{tenant}:{endpoint_id}"


def queue_name(model: str) -> str:
    return f"darkroom-{model}"


def model_of(queue: str) -> str:
    return queue.removeprefix(queue_name(""))


def line_name(cost: int, tenant: str) -> str:
    """In a line wait the jobs of one tenant and one priority, which is what a turn costs."""
    return f"{cost}:{tenant}"


def lease_key(worker: str) -> str:
    """The key that exists as long as the worker lives."""
    return f"darkroom:lease:{worker}"


def announcement_key(worker: str) -> str:
    """The worker's own word on its models, device and engine, in JSON; it ends with the lease."""
    return f"darkroom:worker:{worker}"


KEYS = "darkroom:keys"  # the ids of all API keys that were ever made
SIGNING_SECRET = "darkroom:signing-secret"  # noqa: S105 - signs the addresses of pictures


def key_record(key_id: str) -> str:
    """What is known of an API key; not the key."""
    return f"darkroom:key:{key_id}"


def rate_key(key_id: str) -> str:
    """How far ahead of its rate the API key is."""
    return f"darkroom:rate:{key_id}"


def live_jobs_key(key_id: str) -> str:
    """The records of the API key's jobs, of which some may have ended."""
    return f"darkroom:live:{key_id}"


def pixels_key(key_id: str, day: str) -> str:
    """How many pixels were asked for with the API key on this day."""
    return f"darkroom:pixels:{key_id}:{day}"
