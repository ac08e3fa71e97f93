"""What Redis holds of a job, and how it is read as what the API calls a job."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from rq import job, results
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.serializers import JSONSerializer

from app.contract import names
from app.contract.errors import GenerationFailed, JobNotFound, JobStopped
from app.contract.generation import Generation
from app.contract.job import Development, JobError, JobRecord, JobStatus, Progress

STATUSES = {
    job.JobStatus.STARTED: JobStatus.RUNNING,
    job.JobStatus.FINISHED: JobStatus.SUCCEEDED,
    job.JobStatus.FAILED: JobStatus.FAILED,
    job.JobStatus.STOPPED: JobStatus.FAILED,
    job.JobStatus.CANCELED: JobStatus.CANCELED,  # or EXPIRED, which rq has no word for
}
NO_CONNECTION: Any = object()  # rq wants one, and has no use for it where nothing is asked of Redis
SEEN = (
    b"data",
    b"created_at",
    b"status",
    b"started_at",
    b"ended_at",
    b"meta",
    b"darkroom_attempt",
    b"darkroom_expired",
)

Newest = Sequence[tuple[bytes, Mapping[Any, Any]]]  # of rq's results, at most one


@dataclass(frozen=True)
class StoredJob:
    """A job as READ found it; nothing of it is parsed before its record is asked for."""

    tenant: str
    record_id: str
    fields: Mapping[bytes, bytes]
    newest: Newest
    ahead: int | None

    @classmethod
    def of(cls, tenant: str, record_id: str, answer: Sequence[Any]) -> "StoredJob":
        """Reads what READ answers for one job."""
        fields, newest, ahead = answer
        return cls(tenant, record_id, _pairs(fields), [(key, _pairs(flat)) for key, flat in newest or ()], ahead)

    @property
    def job_id(self) -> str:
        return names.job_id(self.tenant, self.record_id)

    @property
    def is_its_tenants(self) -> bool:
        """Or else it is another's, since an open id may look like another's record, or another application's."""
        owner = self.fields.get(b"darkroom_tenant")
        if owner is None:  # rq's own tools can enqueue jobs, too
            return self.tenant == names.OPEN_TENANT and self._has_our_function()
        return owner == self.tenant.encode()

    @property
    def model(self) -> str:
        return names.model_of(self.fields[b"origin"].decode())

    @property
    def status(self) -> JobStatus:
        return _status(self.fields[b"status"].decode(), is_expired=b"darkroom_expired" in self.fields)

    @property
    def version(self) -> str:
        """Another one after every change that the record shows."""
        seen = [self.fields.get(name, b"") for name in SEEN]
        return hashlib.sha256(b"\0".join([str(self.ahead).encode(), *seen])).hexdigest()

    def is_overdue(self, now: float) -> bool:
        """Whether it has not started within its deadline; `now` in seconds since the epoch."""
        deadline = self.fields.get(b"darkroom_deadline")
        return self.status is JobStatus.QUEUED and deadline is not None and float(deadline) <= now

    def record(self) -> JobRecord:
        """Raises JobNotFound if another version of Darkroom wrote it otherwise."""
        try:
            return read_record(
                self._rq_job(),
                tenant=self.tenant,
                attempt=int(self.fields.get(b"darkroom_attempt", 0)),
                is_expired=b"darkroom_expired" in self.fields,
                newest=self.newest,
                ahead=self.ahead,
                version=self.version,
            )
        except (ValidationError, IndexError):
            raise not_found(self.job_id) from None

    def _has_our_function(self) -> bool:
        try:
            return self._rq_job().func_name == names.JOB_FUNCTION
        except (DeserializationError, NoSuchJobError, ValueError):  # pickled, or whatever else has this key
            return False

    def _rq_job(self) -> job.Job:
        found = job.Job(self.record_id, connection=NO_CONNECTION, serializer=JSONSerializer)
        found.restore(self.fields)
        return found


def read_record(
    rq_job: job.Job,
    *,
    tenant: str,
    attempt: int = 0,
    is_expired: bool = False,
    newest: Newest = (),
    ahead: int | None = None,
    version: str = "",
) -> JobRecord:
    """Reads rq's hash and the newest entry of rq's result stream as what the API calls a job."""
    generation = Generation.model_validate(rq_job.args[0])
    status = _status(rq_job.get_status(refresh=False), is_expired=is_expired)
    meta = {} if status is JobStatus.QUEUED else rq_job.meta  # what a lost worker left says nothing of the next run
    return JobRecord(
        id=names.job_id(tenant, rq_job.id),
        tenant=tenant,
        status=status,
        generation=generation,
        version=version,
        ahead=ahead,
        progress=meta.get("progress") or Progress(total_steps=generation.num_inference_steps),
        created_at=rq_job.created_at,
        started_at=rq_job.started_at,
        ended_at=rq_job.ended_at,
        attempt=attempt,
        development=_read_development(rq_job, newest) if status is JobStatus.SUCCEEDED else None,
        error=_read_error(rq_job, meta) if status is JobStatus.FAILED else None,
    )


def not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"There is no job {job_id}, or its time is over.")


def _status(rq_status: str, *, is_expired: bool) -> JobStatus:
    status = STATUSES.get(job.JobStatus(rq_status), JobStatus.QUEUED)
    return JobStatus.EXPIRED if status is JobStatus.CANCELED and is_expired else status


def _read_development(rq_job: job.Job, newest: Newest) -> Development:
    if not newest:
        raise not_found(rq_job.id)  # its results have expired before it
    [(result_id, payload)] = newest
    result = results.Result.restore(
        rq_job.id, result_id.decode(), dict(payload), rq_job.connection, serializer=rq_job.serializer
    )
    return Development.model_validate(result.return_value)


def _read_error(rq_job: job.Job, meta: Mapping[str, Any]) -> JobError:
    if "error" in meta:
        return JobError.model_validate(meta["error"])
    if rq_job.get_status(refresh=False) is job.JobStatus.STOPPED:
        return JobError(code=JobStopped.code, message="The job was stopped.")
    return JobError(code=GenerationFailed.code, message="The job failed, and its worker left no reason.")


def _pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
