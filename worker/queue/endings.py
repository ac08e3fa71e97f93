"""How a job leaves a worker: each end of a run in rq's own words, for the ledger to commit."""

import traceback
from datetime import timedelta
from typing import Any, cast

from redis.client import Pipeline
from rq.job import Job, JobStatus
from rq.results import Result
from rq.utils import now, utcformat
from rq.worker.base import BaseWorker

from app.contract import names
from app.contract.errors import DarkroomError, GenerationFailed, JobStopped, Undelivered, WorkerLost
from app.contract.events import EventType
from app.contract.job import JobError
from worker.queue.claim import Claim
from worker.queue.errors import TryAgain

TOLD = (GenerationFailed, Undelivered)  # what a job's record may tell its caller in its own words


def success(worker: BaseWorker, claim: Claim, result: dict[str, Any], pipeline: Pipeline) -> None:
    job = claim.job
    claim.result = "succeeded"
    job._result = claim.function.result.model_validate(result).model_dump(mode="json")
    result_ttl = job.get_result_ttl(worker.default_result_ttl)
    worker.increment_successful_job_count(pipeline=pipeline)
    job._handle_success(result_ttl, pipeline, **_run(worker, claim))
    job.cleanup(result_ttl, pipeline=pipeline, remove_from_queue=False)
    _close(worker, claim, pipeline)
    tell(job, EventType.SUCCEEDED, "{}", pipeline)


def failure(worker: BaseWorker, claim: Claim, raised: BaseException, pipeline: Pipeline) -> None:
    job, reason = claim.job, _reason(raised)
    claim.result, claim.error_code = "failed", reason.code
    job.meta = {**job.meta, "error": reason.model_dump()}
    if not claim.is_readable:
        pipeline.delete(job.key)  # what could be read is written anew, so that the failure can be read
        if claim.address:
            pipeline.hset(job.key, mapping=cast(Any, claim.address))
    worker.increment_failed_job_count(pipeline=pipeline)
    run = _run(worker, claim)
    if job.should_retry and not isinstance(raised, (JobStopped, WorkerLost)):
        _retry(worker, job, pipeline)
        tell(job, EventType.REQUEUED, '{"reason":"retry"}', pipeline)
    else:
        job.set_status(JobStatus.STOPPED if isinstance(raised, JobStopped) else JobStatus.FAILED, pipeline=pipeline)
        job._handle_failure(describe(raised, claim), pipeline, **run)
        tell(job, EventType.FAILED, "{}", pipeline)
    if isinstance(raised, WorkerLost):
        pipeline.hdel(job.key, "darkroom_deaths")  # who requeues it wants it tried again
    _close(worker, claim, pipeline)


def postponement(worker: BaseWorker, claim: Claim, wish: TryAgain, pipeline: Pipeline) -> None:
    """Schedules the next try; of one that counts rq keeps the failure, as a result of the job."""
    job = claim.job
    claim.result, claim.error_code = "postponed", "try_again" if wish.counts else ""
    run = _run(worker, claim)
    if wish.counts:
        Result.create_failure(job, job.failure_ttl, str(wish), pipeline=pipeline, **run)
        pipeline.hdel(job.key, "darkroom_deaths")  # it has not been the worker's death
    else:
        pipeline.hincrby(job.key, "darkroom_attempt", -1)
    _schedule(worker, job, wish.in_s, pipeline)
    _close(worker, claim, pipeline)


def give_back(worker: BaseWorker, claim: Claim, pipeline: Pipeline) -> None:
    job = claim.job
    claim.result = "given_back"
    queue_key = worker.queue_class(job.origin, connection=worker.connection).key
    back = {"status": JobStatus.QUEUED, "enqueued_at": utcformat(now()), "started_at": "", "worker_name": ""}
    pipeline.hset(job.key, mapping=cast(Any, back))
    pipeline.hincrby(job.key, "darkroom_attempt", -1)
    worker.cleanup_execution(job, pipeline, claim.execution)
    pipeline.lpush(queue_key, job.id)
    pipeline.publish(names.WAKE_CHANNEL, queue_key)
    tell(job, EventType.REQUEUED, '{"reason":"worker_stopped"}', pipeline)


def abandonment(worker: BaseWorker, claim: Claim, pipeline: Pipeline) -> None:
    """Fails a job whose end Redis refuses, with as few keys as can be: the registry, which may be why, comes last."""
    job, reason = claim.job, _reason(RuntimeError())
    claim.result, claim.error_code = "failed", reason.code
    job.ended_at = now()
    job.meta = {**job.meta, "error": reason.model_dump()}
    job.set_status(JobStatus.FAILED, pipeline=pipeline)
    pipeline.hset(job.key, "meta", claim.meta())
    worker.cleanup_execution(job, pipeline, claim.execution)
    job.failed_job_registry.add(job, job.failure_ttl, pipeline=pipeline)
    tell(job, EventType.FAILED, "{}", pipeline)


def describe(raised: BaseException, claim: Claim) -> str:
    """The traceback without the job's prompts, which must be in no log."""
    if isinstance(raised, Undelivered):
        return str(raised)
    text = "".join(traceback.format_exception(raised))
    try:
        generation = claim.generation
    except GenerationFailed:
        return text
    for prompt in (generation.prompt, generation.negative_prompt):
        for secret in filter(None, (prompt, repr(prompt)[1:-1])):
            text = text.replace(secret, "[prompt]")
    return text


def tell(job: Job, event: EventType, data: str, pipeline: Pipeline) -> None:
    pipeline.execute_command("TELL", job.id, event, data)  # no command of Redis': FENCE knows it


def _retry(worker: BaseWorker, job: Job, pipeline: Pipeline) -> None:
    """Does what rq's own `retry` does, which writes the status before the rest, whoever owns the job."""
    interval_s = job.get_retry_interval()
    job.retries_left = (job.retries_left or 0) - 1
    _schedule(worker, job, interval_s, pipeline)


def _schedule(worker: BaseWorker, job: Job, in_s: float, pipeline: Pipeline) -> None:
    at = now() + timedelta(seconds=in_s)
    worker.queue_class(job.origin, connection=worker.connection).schedule_job(job, at, pipeline=pipeline)


def _reason(raised: BaseException) -> JobError:
    if isinstance(raised, TOLD):
        return JobError(code=raised.code, message=str(raised))
    return JobError(code=DarkroomError.code, message="The job failed through a fault of the service.")


def _run(worker: BaseWorker, claim: Claim) -> dict[str, Any]:
    claim.job.ended_at = now()
    return {
        "worker_name": worker.name,
        "execution_id": claim.execution_id,
        "execution_started_at": claim.execution.created_at,
        "execution_ended_at": claim.job.ended_at,
    }


def _close(worker: BaseWorker, claim: Claim, pipeline: Pipeline) -> None:
    job = claim.job
    if job.started_at and job.ended_at:
        worker.increment_total_working_time(job.ended_at - job.started_at, pipeline)
    if job.meta:
        pipeline.hset(job.key, "meta", claim.meta())
    worker.cleanup_execution(job, pipeline, claim.execution)
