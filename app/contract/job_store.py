"""Jobs in Redis as the front end sees them: rq's hash is the record, and there is no second one."""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import redis.asyncio
from pydantic import BaseModel, ValidationError
from redis.exceptions import ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, job, results
from rq.defaults import RQ_KEY_PREFIX
from rq.exceptions import DeserializationError
from rq.executions import ExecutionRegistry
from rq.registry import CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.scripts import _build_hset_args
from rq.serializers import JSONSerializer
from rq.utils import current_timestamp, now, utcformat
from rq.worker_registration import REDIS_WORKER_KEYS

from app.contract import names
from app.contract.announcement import Announcement
from app.contract.errors import (
    GenerationFailed,
    InvalidField,
    JobConflict,
    JobNotFound,
    JobStopped,
    QueueFull,
    RedisUnavailable,
    ShareFull,
)
from app.contract.events import with_tell
from app.contract.generation import Generation
from app.contract.job import Development, JobError, JobRecord, JobStatus, Progress

WORKER_KEY_PREFIX = f"{RQ_KEY_PREFIX}:worker:"
SCRIPTS = Path(__file__).with_name("scripts")
NOT_NOW = re.compile(r"\b(?:MISCONF|BUSY|NOREPLICAS) ")  # redis-py has no classes for these
STATUSES = {
    job.JobStatus.STARTED: JobStatus.RUNNING,
    job.JobStatus.FINISHED: JobStatus.SUCCEEDED,
    job.JobStatus.FAILED: JobStatus.FAILED,
    job.JobStatus.STOPPED: JobStatus.FAILED,
    job.JobStatus.CANCELED: JobStatus.CANCELED,  # or EXPIRED, which rq has no word for
}


TURN_COSTS = {"high": 1, "normal": 2, "low": 6}  # shares of six to three to one


class QueueCounts(BaseModel):
    """A model's jobs by status; ended ones are counted as long as they are kept, the expired as canceled."""

    queued: int
    running: int
    succeeded: int
    failed: int
    canceled: int


class JobStore:
    """Admits, finds, cancels and counts jobs; the client must not decode answers."""

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        max_queued: int,
        max_queued_per_tenant: int | None = None,
        retention_s: int,
        job_timeout_s: int,
    ) -> None:
        self._redis = redis
        self._max_queued = max_queued
        self._max_queued_per_tenant = max_queued_per_tenant or max_queued
        self._retention_s = retention_s
        self._job_timeout_s = job_timeout_s
        self._admit = redis.register_script(with_tell(SCRIPTS / "admit.lua"))
        self._cancel = redis.register_script(with_tell(SCRIPTS / "cancel.lua"))

    async def admit(
        self, generation: Generation, job_id: str | None = None, *, tenant: str = names.OPEN_TENANT
    ) -> JobRecord:
        """Puts the job into its model's queue; the same id and generation again give the job that is there.

        Raises InvalidField, QueueFull, ShareFull, JobConflict and RedisUnavailable.
        """
        new = self._build(generation, job_id or uuid.uuid4().hex)
        queue = Queue(new.origin, connection=new.connection)
        cost = TURN_COSTS[generation.priority]
        line = names.line_name(cost, tenant)
        lines = sorted((names.line_name(each, tenant) for each in TURN_COSTS.values()), key=lambda each: each != line)
        keys = [new.key, queue.key, queue.redis_queues_keys, names.TURNS_PREFIX + new.origin]
        keys += [f"{names.LINE_PREFIX}{new.origin}:{each}" for each in lines]
        fields = [*_build_hset_args(new), "darkroom_tenant", tenant, "darkroom_line", line]  # type: ignore[no-untyped-call]
        if generation.deadline_s:
            fields += ["darkroom_deadline", new.created_at.timestamp() + generation.deadline_s]
        with _redis_errors():
            bounds = (self._max_queued, self._max_queued_per_tenant)
            answer = await self._admit(keys, [new.id, *bounds, names.WAKE_CHANNEL, line, cost, *fields])
        if answer == b"full":
            raise QueueFull(f"{self._max_queued} jobs wait for {generation.model} already.")
        if answer == b"share full":
            raise ShareFull(f"{self._max_queued_per_tenant} of your jobs wait for {generation.model} already.")
        if answer == b"known":
            return await self._find_same(new.id, generation, tenant)
        return read_record(new, tenant=tenant, attempt=0, newest=[])

    async def find(self, job_id: str) -> JobRecord:
        """The job as it is; if it has not started within its deadline, it expires now.

        Raises JobNotFound and RedisUnavailable.
        """
        found = await self._read(job_id)
        if found.status is JobStatus.QUEUED and found.deadline_at and found.deadline_at <= now():
            await self._end(job_id, expires=True)
            return await self._read(job_id)
        return found

    async def _read(self, job_id: str) -> JobRecord:
        found = self._empty(job_id)
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(found.key)
            pipeline.xrevrange(results.Result.get_key(job_id), count=1)  # type: ignore[no-untyped-call]
            with _redis_errors():
                fields, newest = await pipeline.execute()
        if not fields:
            raise _not_found(job_id)
        found.restore(fields)
        if not _is_ours(found):
            raise _not_found(job_id)
        try:
            return read_record(
                found,
                tenant=fields.get(b"darkroom_tenant", names.OPEN_TENANT.encode()).decode(),
                attempt=int(fields.get(b"darkroom_attempt", 0)),
                is_expired=b"darkroom_expired" in fields,
                newest=newest,
            )
        except (ValidationError, IndexError):  # another version's
            raise _not_found(job_id) from None

    async def cancel(self, job_id: str) -> JobRecord:
        """Ends the job if it has not ended yet; its worker drops it at once, or with the next beat.

        Raises JobNotFound and RedisUnavailable.
        """
        found = await self.find(job_id)  # and no other application's job is canceled
        if found.status.is_terminal:
            return found
        await self._end(job_id, expires=False)
        return await self.find(job_id)

    async def _end(self, job_id: str, *, expires: bool) -> None:
        keys = [job.Job.key_for(job_id), ExecutionRegistry.key_template.format(job_id)]
        moment = now()
        words = (RQ_KEY_PREFIX, job_id, utcformat(moment), int(moment.timestamp()), self._retention_s)
        with _redis_errors():
            await self._cancel(keys, [*words, names.WAKE_CHANNEL, int(expires), names.TURNS_PREFIX, names.LINE_PREFIX])

    async def announcements(self) -> list[Announcement]:
        """What every live worker says of itself.

        Raises RedisUnavailable.
        """
        with _redis_errors():
            keys = await cast(Any, self._redis.smembers(REDIS_WORKER_KEYS))
            workers = sorted(key.decode().removeprefix(WORKER_KEY_PREFIX) for key in keys)
            said = await self._redis.mget([names.announcement_key(worker) for worker in workers]) if workers else []
        announcements = []
        for each in (answer for answer in said if answer):
            with suppress(ValidationError):  # another version's worker says it differently
                announcements.append(Announcement.model_validate_json(each))
        return announcements

    async def counts(self, models: Sequence[str]) -> dict[str, QueueCounts]:
        """Counts in one round trip and changes nothing: rq's own counting fails abandoned jobs on the way.

        Raises RedisUnavailable.
        """
        kept_from = current_timestamp() - self._retention_s
        async with self._redis.pipeline(transaction=False) as pipeline:
            for queue in map(names.queue_name, models):
                pipeline.llen(Queue.redis_queue_namespace_prefix + queue)
                pipeline.zcard(StartedJobRegistry.key_template.format(queue))
                pipeline.zcount(FinishedJobRegistry.key_template.format(queue), current_timestamp(), "+inf")
                pipeline.zcount(FailedJobRegistry.key_template.format(queue), current_timestamp(), "+inf")
                pipeline.zcount(CanceledJobRegistry.key_template.format(queue), kept_from, "+inf")
            with _redis_errors():
                counts = iter(await pipeline.execute())
        return {model: QueueCounts(**{status: next(counts) for status in QueueCounts.model_fields}) for model in models}

    async def _find_same(self, job_id: str, generation: Generation, tenant: str) -> JobRecord:
        with suppress(JobNotFound):  # another application's
            record = await self.find(job_id)
            if (record.generation, record.tenant) == (generation, tenant):
                return record.model_copy(update={"is_replayed": True})
        raise JobConflict(f"The job {job_id} exists and asks for something else.")

    def _build(self, generation: Generation, job_id: str) -> job.Job:
        if not job.JOB_ID_PATTERN.fullmatch(job_id):
            raise InvalidField("id", "An id is made of letters, digits, dashes and underscores.")
        new = job.Job.create(
            names.JOB_FUNCTION,
            args=[generation.model_dump(mode="json")],
            id=job_id,
            connection=cast(Any, self._redis),  # rq keeps it and does not use it here
            origin=names.queue_name(generation.model),
            description="generate",  # rq's default holds the prompt
            status=job.JobStatus.QUEUED,
            timeout=self._job_timeout_s,
            result_ttl=self._retention_s,
            failure_ttl=self._retention_s,
            serializer=JSONSerializer,
        )
        new.enqueued_at = new.created_at
        return new

    def _empty(self, job_id: str) -> job.Job:
        if not job.JOB_ID_PATTERN.fullmatch(job_id):
            raise _not_found(job_id)
        return job.Job(job_id, connection=cast(Any, self._redis), serializer=JSONSerializer)


def read_record(
    rq_job: job.Job,
    *,
    tenant: str = names.OPEN_TENANT,
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
        id=rq_job.id,
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
        raise _not_found(rq_job.id)  # it expired between the two answers
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


def _is_ours(rq_job: job.Job) -> bool:
    """Whether it is not another application's, in the same Redis."""
    try:
        return rq_job.func_name == names.JOB_FUNCTION
    except DeserializationError:  # pickled
        return False


def _not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"There is no job {job_id}, or its time is over.")


@contextmanager
def _redis_errors() -> Iterator[None]:
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise RedisUnavailable("Redis does not answer.") from error
    except (OutOfMemoryError, ReadOnlyError, ClusterDownError, MasterDownError) as error:
        raise RedisUnavailable("Redis takes no commands now.") from error
    except ResponseError as error:
        if not NOT_NOW.search(str(error)):
            raise
        raise RedisUnavailable("Redis takes no commands now.") from error
