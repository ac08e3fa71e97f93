"""Jobs in Redis as the front end sees them: rq's hash is the record, and there is no second one."""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import redis.asyncio
from pydantic import BaseModel, ValidationError
from rq import Queue, job, results
from rq.defaults import RQ_KEY_PREFIX
from rq.executions import ExecutionRegistry
from rq.registry import CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.scripts import _build_hset_args
from rq.serializers import JSONSerializer
from rq.utils import current_timestamp, now, utcformat
from rq.worker_registration import REDIS_WORKER_KEYS

from app.contract import names
from app.contract.announcement import Announcement
from app.contract.errors import InvalidField, JobConflict, JobNotFound, QueueFull, ShareFull
from app.contract.events import with_tell
from app.contract.generation import Generation
from app.contract.job import JobRecord, JobStatus
from app.contract.job_reader import is_ours, not_found, read_record
from app.contract.redis_errors import redis_errors

WORKER_KEY_PREFIX = f"{RQ_KEY_PREFIX}:worker:"
SCRIPTS = Path(__file__).with_name("scripts")
TURN_COSTS = {"high": 1, "normal": 2, "low": 6}  # shares of six to three to one


class QueueCounts(BaseModel):
    """A model's jobs by status; ended ones are counted as long as they are kept, the expired as canceled."""

    queued: int
    running: int
    succeeded: int
    failed: int
    canceled: int


class JobStore:
    """Admits, finds, cancels and counts jobs, each tenant's apart; the client must not decode answers."""

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

    async def admit(self, generation: Generation, job_id: str | None = None, *, tenant: str) -> JobRecord:
        """Puts the job into its model's queue; the same id and generation again give the job that is there.

        Raises InvalidField, QueueFull, ShareFull, JobConflict and RedisUnavailable.
        """
        job_id = job_id or uuid.uuid4().hex
        new = self._build(generation, job_id, tenant)
        queue = Queue(new.origin, connection=new.connection)
        cost = TURN_COSTS[generation.priority]
        line = names.line_name(cost, tenant)
        lines = sorted((names.line_name(each, tenant) for each in TURN_COSTS.values()), key=lambda each: each != line)
        keys = [new.key, queue.key, queue.redis_queues_keys, names.TURNS_PREFIX + new.origin]
        keys += [f"{names.LINE_PREFIX}{new.origin}:{each}" for each in lines]
        fields = [*_build_hset_args(new), "darkroom_tenant", tenant, "darkroom_line", line]  # type: ignore[no-untyped-call]
        if generation.deadline_s:
            fields += ["darkroom_deadline", new.created_at.timestamp() + generation.deadline_s]
        with redis_errors():
            bounds = (self._max_queued, self._max_queued_per_tenant)
            answer = await self._admit(keys, [new.id, *bounds, names.WAKE_CHANNEL, line, cost, *fields])
        if answer == b"full":
            raise QueueFull(f"{self._max_queued} jobs wait for {generation.model} already.")
        if answer == b"share full":
            raise ShareFull(f"{self._max_queued_per_tenant} of your jobs wait for {generation.model} already.")
        if answer == b"known":
            return await self._find_same(job_id, generation, tenant)
        return read_record(new, tenant=tenant, attempt=0, newest=[])

    async def find(self, job_id: str, *, tenant: str) -> JobRecord:
        """The tenant's job as it is; if it has not started within its deadline, it expires now.

        Raises JobNotFound and RedisUnavailable.
        """
        found = await self._read(job_id, tenant)
        if found.status is JobStatus.QUEUED and found.deadline_at and found.deadline_at <= now():
            await self._end(found, expires=True)
            return await self._read(job_id, tenant)
        return found

    async def _read(self, job_id: str, tenant: str) -> JobRecord:
        if not job.JOB_ID_PATTERN.fullmatch(job_id):
            raise not_found(job_id)
        record_id = names.record_id(tenant, job_id)
        found = job.Job(record_id, connection=cast(Any, self._redis), serializer=JSONSerializer)
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(found.key)
            pipeline.xrevrange(results.Result.get_key(record_id), count=1)  # type: ignore[no-untyped-call]
            with redis_errors():
                fields, newest = await pipeline.execute()
        owner = fields.get(b"darkroom_tenant", names.OPEN_TENANT.encode()).decode()
        if not fields or owner != tenant:  # the open tenant's ids may look like another's records
            raise not_found(job_id)
        found.restore(fields)
        if not is_ours(found):
            raise not_found(job_id)
        try:
            return read_record(
                found,
                tenant=tenant,
                attempt=int(fields.get(b"darkroom_attempt", 0)),
                is_expired=b"darkroom_expired" in fields,
                newest=newest,
            )
        except (ValidationError, IndexError):  # another version's
            raise not_found(job_id) from None

    async def cancel(self, job_id: str, *, tenant: str) -> JobRecord:
        """Ends the job if it has not ended yet; its worker drops it at once, or with the next beat.

        Raises JobNotFound and RedisUnavailable.
        """
        found = await self.find(job_id, tenant=tenant)  # and no other application's job is canceled
        if found.status.is_terminal:
            return found
        await self._end(found, expires=False)
        return await self.find(job_id, tenant=tenant)

    async def _end(self, found: JobRecord, *, expires: bool) -> None:
        keys = [job.Job.key_for(found.record_id), ExecutionRegistry.key_template.format(found.record_id)]
        moment = now()
        words = (RQ_KEY_PREFIX, found.record_id, utcformat(moment), int(moment.timestamp()), self._retention_s)
        with redis_errors():
            await self._cancel(keys, [*words, names.WAKE_CHANNEL, int(expires), names.TURNS_PREFIX, names.LINE_PREFIX])

    async def announcements(self) -> list[Announcement]:
        """What every live worker says of itself.

        Raises RedisUnavailable.
        """
        with redis_errors():
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
            with redis_errors():
                counts = iter(await pipeline.execute())
        return {model: QueueCounts(**{status: next(counts) for status in QueueCounts.model_fields}) for model in models}

    async def _find_same(self, job_id: str, generation: Generation, tenant: str) -> JobRecord:
        with suppress(JobNotFound):  # another application's, or another tenant's
            record = await self.find(job_id, tenant=tenant)
            if record.generation == generation:
                return record.model_copy(update={"is_replayed": True})
        raise JobConflict(f"The job {job_id} exists and asks for something else.")

    def _build(self, generation: Generation, job_id: str, tenant: str) -> job.Job:
        if not job.JOB_ID_PATTERN.fullmatch(job_id):
            raise InvalidField("id", "An id is made of letters, digits, dashes and underscores.")
        new = job.Job.create(
            names.JOB_FUNCTION,
            args=[generation.model_dump(mode="json")],
            id=names.record_id(tenant, job_id),
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
