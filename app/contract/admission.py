"""A job that is about to be admitted."""

from dataclasses import dataclass
from typing import Any

from rq import Queue, job
from rq.scripts import _build_hset_args
from rq.serializers import JSONSerializer

from app.contract import names, tracing
from app.contract.errors import InvalidField
from app.contract.generation import Generation
from app.contract.limits import Quota
from app.contract.stored_job import NO_CONNECTION

TURN_COSTS = {"high": 1, "normal": 2, "low": 6}  # shares of six to three to one
LONGEST_WAIT_S = 30 * 86_400  # so long after its last admission a tenant's list is let go


@dataclass(frozen=True)
class Bounds:
    """How much may wait, and how long what has ended is kept."""

    max_queued: int
    max_queued_per_tenant: int
    retention_s: int
    job_timeout_s: int


@dataclass(frozen=True)
class Admission:
    """What ADMIT is told of a new job."""

    generation: Generation
    tenant: str
    rq_job: job.Job
    bounds: Bounds
    quota: Quota | None = None

    @classmethod
    def of(
        cls, generation: Generation, job_id: str, tenant: str, bounds: Bounds, quota: Quota | None = None
    ) -> "Admission":
        """Raises InvalidField."""
        if not job.JOB_ID_PATTERN.fullmatch(job_id):
            raise InvalidField("id", "An id is made of letters, digits, dashes and underscores.")
        rq_job = job.Job.create(
            names.JOB_FUNCTION,
            args=[generation.model_dump(mode="json")],
            id=names.record_id(tenant, job_id),
            connection=NO_CONNECTION,
            origin=names.queue_name(generation.model),
            description="generate",  # rq's default holds the prompt
            status=job.JobStatus.QUEUED,
            timeout=bounds.job_timeout_s,
            result_ttl=bounds.retention_s,
            failure_ttl=bounds.retention_s,
            serializer=JSONSerializer,
        )
        rq_job.enqueued_at = rq_job.created_at
        return cls(generation, tenant, rq_job, bounds, quota)

    @property
    def keys(self) -> list[str]:
        queue = self.rq_job.origin
        lines = sorted((names.line_name(cost, self.tenant) for cost in TURN_COSTS.values()), key=self._is_not_its_line)
        return [
            self.rq_job.key,
            names.erased_key(self.rq_job.id),
            Queue.redis_queue_namespace_prefix + queue,
            Queue.redis_queues_keys,
            names.TURNS_PREFIX + queue,
            names.jobs_key(self.tenant),
            *(f"{names.LINE_PREFIX}{queue}:{line}" for line in lines),
        ]

    @property
    def words(self) -> list[Any]:
        return [
            *self.terms,
            *_build_hset_args(self.rq_job),  # type: ignore[no-untyped-call]
            *(word for field in self._fields.items() for word in field),
        ]

    @property
    def terms(self) -> list[Any]:
        """What decides whether it is admitted; without more, ADMIT only tells."""
        bounds = self.bounds
        return [
            *(self.rq_job.id, bounds.max_queued, bounds.max_queued_per_tenant, names.WAKE_CHANNEL),
            *(self._line, TURN_COSTS[self.generation.priority], round(self.rq_job.created_at.timestamp() * 1e6)),
            bounds.retention_s + LONGEST_WAIT_S,
            self.quota.of(self.generation, self.rq_job.created_at) if self.quota else "",
        ]

    @property
    def _fields(self) -> dict[str, Any]:
        """What Darkroom keeps beside rq's own."""
        fields: dict[str, Any] = {"darkroom_tenant": self.tenant, "darkroom_line": self._line}
        if self.generation.deadline_s:
            fields["darkroom_deadline"] = self.rq_job.created_at.timestamp() + self.generation.deadline_s
        if self.generation.webhook:
            fields["darkroom_webhook"] = self.generation.webhook.model_dump_json()
        if traceparent := tracing.current.get():
            fields["darkroom_trace"] = traceparent
        return fields

    @property
    def _line(self) -> str:
        return names.line_name(TURN_COSTS[self.generation.priority], self.tenant)

    def _is_not_its_line(self, line: str) -> bool:
        return line != self._line
