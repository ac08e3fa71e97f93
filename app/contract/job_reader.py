"""Reads rq's record of a job as what the API calls a job."""

from collections.abc import Mapping, Sequence
from typing import Any

from rq import job, results
from rq.exceptions import DeserializationError

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


def read_record(
    rq_job: job.Job,
    *,
    tenant: str,
    attempt: int,
    is_expired: bool = False,
    newest: Sequence[tuple[bytes, Mapping[Any, Any]]],
) -> JobRecord:
    """Reads rq's hash and the newest entry of rq's result stream as what the API calls a job."""
    generation = Generation.model_validate(rq_job.args[0])
    status = STATUSES.get(rq_job.get_status(refresh=False), JobStatus.QUEUED)
    if status is JobStatus.CANCELED and is_expired:
        status = JobStatus.EXPIRED
    meta = {} if status is JobStatus.QUEUED else rq_job.meta  # what a lost worker left says nothing of the next run
    return JobRecord(
        id=names.job_id(tenant, rq_job.id),
        tenant=tenant,
        status=status,
        generation=generation,
        progress=meta.get("progress") or Progress(total_steps=generation.num_inference_steps),
        created_at=rq_job.created_at,
        started_at=rq_job.started_at,
        ended_at=rq_job.ended_at,
        attempt=attempt,
        development=_read_development(rq_job, newest) if status is JobStatus.SUCCEEDED else None,
        error=_read_error(rq_job, meta) if status is JobStatus.FAILED else None,
    )


def _read_development(rq_job: job.Job, newest: Sequence[tuple[bytes, Mapping[Any, Any]]]) -> Development:
    if not newest:
        raise not_found(rq_job.id)  # it expired between the two answers
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


def is_ours(rq_job: job.Job) -> bool:
    """Whether it is not another application's, in the same Redis."""
    try:
        return rq_job.func_name == names.JOB_FUNCTION
    except DeserializationError:  # pickled
        return False


def not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"There is no job {job_id}, or its time is over.")
