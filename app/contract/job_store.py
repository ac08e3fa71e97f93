"""Jobs in Redis as the front end sees them: rq's hash is the record, and there is no second one."""

import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis.asyncio
from rq.defaults import RQ_KEY_PREFIX
from rq.job import JOB_ID_PATTERN, Job
from rq.utils import now, utcformat

from app.contract import names
from app.contract.admission import Admission, Bounds
from app.contract.errors import JobConflict, JobErased, JobNotFound, QueueFull, ShareFull
from app.contract.events import with_tell
from app.contract.generation import Generation
from app.contract.job import JobRecord
from app.contract.limits import Quota
from app.contract.lookups import Lookups, keys_of
from app.contract.redis_errors import redis_errors
from app.contract.stored_job import StoredJob, not_found, read_record

SCRIPTS = Path(__file__).with_name("scripts")


def script(*parts: str) -> str:
    """The text of these files, one after the other: the first ones hold the functions that the last one calls."""
    return "".join((SCRIPTS / f"{part}.lua").read_text() for part in parts)


ADMIT = script("ahead", "quota") + with_tell(SCRIPTS / "admit.lua")
READ = script("ahead", "reading", "read")
CANCEL = script("withdraw") + with_tell(SCRIPTS / "cancel.lua")
ERASE = script("withdraw") + with_tell(SCRIPTS / "erase.lua")


class JobStore:
    """Admits, finds, cancels and erases jobs, each tenant's apart; the client must not decode answers."""

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
        self._bounds = Bounds(max_queued, max_queued_per_tenant or max_queued, retention_s, job_timeout_s)
        self._admit = redis.register_script(ADMIT)
        self._lookups = Lookups(redis.register_script(READ))
        self._cancel = redis.register_script(CANCEL)
        self._erase = redis.register_script(ERASE)

    async def admit(
        self, generation: Generation, job_id: str | None = None, *, tenant: str, quota: Quota | None = None
    ) -> JobRecord:
        """Puts the job into its model's queue; the same id and generation again give the job that is there.

        Raises InvalidField, QueueFull, ShareFull, JobConflict, JobErased and RedisUnavailable.
        """
        job_id = job_id or uuid.uuid4().hex
        new = Admission.of(generation, job_id, tenant, self._bounds, quota)
        answer = await self._ask(new, new.words)
        if answer == b"known":
            return await self._find_same(job_id, generation, tenant)
        admitted = StoredJob.of(tenant, new.rq_job.id, answer)
        return read_record(new.rq_job, tenant=tenant, ahead=admitted.ahead, version=admitted.version)

    async def foresee(
        self, generation: Generation, job_id: str, *, tenant: str, quota: Quota | None = None
    ) -> JobRecord | None:
        """The job that `admit` would find, if there is one; admits nothing, and raises what `admit` would."""
        new = Admission.of(generation, job_id, tenant, self._bounds, quota)
        answer = await self._ask(new, new.terms)
        return await self._find_same(job_id, generation, tenant) if answer == b"known" else None

    async def _ask(self, new: Admission, words: list[Any]) -> Any:
        with redis_errors():
            answer = await self._admit(new.keys, words)
        match answer:
            case b"full":
                raise QueueFull(f"{self._bounds.max_queued} jobs wait for {new.generation.model} already.")
            case b"share full":
                most = self._bounds.max_queued_per_tenant
                raise ShareFull(f"{most} of your jobs wait for {new.generation.model} already.")
            case b"erased":
                raise _erased(names.job_id(new.tenant, new.rq_job.id))
            case bytes() if new.quota and answer.startswith(b"quota "):
                raise new.quota.broken(answer.decode().removeprefix("quota "), now())
        return answer

    async def find(self, job_id: str, *, tenant: str) -> JobRecord:
        """The tenant's job as it is; if it has not started within its deadline, it expires now.

        Raises JobNotFound, JobErased and RedisUnavailable.
        """
        return (await self.look_up(job_id, tenant=tenant)).record()

    async def look_up(self, job_id: str, *, tenant: str) -> StoredJob:
        """The same, and nothing of it is parsed."""
        found = await self._look_up(job_id, tenant)
        if found.is_overdue(time.time()):
            await self._end(found.record_id, expires=True)
            return await self._look_up(job_id, tenant)
        return found

    async def _look_up(self, job_id: str, tenant: str) -> StoredJob:
        if not JOB_ID_PATTERN.fullmatch(job_id):
            raise not_found(job_id)
        record_id = names.record_id(tenant, job_id)
        answer = await self._lookups.read(record_id)
        if answer == tenant.encode():
            raise _erased(job_id)
        if not isinstance(answer, list):
            raise not_found(job_id)
        found = StoredJob.of(tenant, record_id, answer)
        if not found.is_its_tenants:
            raise not_found(job_id)
        return found

    async def cancel(self, job_id: str, *, tenant: str) -> JobRecord:
        """Ends the job if it has not ended yet; its worker drops it at once, or with the next beat.

        Raises JobNotFound, JobErased and RedisUnavailable.
        """
        found = await self.look_up(job_id, tenant=tenant)
        if found.status.is_terminal:
            return found.record()
        await self._end(found.record_id, expires=False)
        return await self.find(job_id, tenant=tenant)

    async def erase(self, job_id: str, *, tenant: str) -> None:
        """Takes all that is known of the job out of Redis; its worker drops it at once. It may be repeated.

        Raises JobNotFound and RedisUnavailable.
        """
        try:
            found = await self._look_up(job_id, tenant)
        except JobErased:
            return
        record_id = found.record_id
        words = (RQ_KEY_PREFIX, record_id, tenant, utcformat(now()), self._bounds.retention_s)
        with redis_errors():
            await self._erase(
                [*keys_of(record_id), names.events_key(record_id), names.jobs_key(tenant)],
                [*words, names.WAKE_CHANNEL, names.TURNS_PREFIX, names.LINE_PREFIX],
            )

    async def _end(self, record_id: str, *, expires: bool) -> None:
        moment = now()
        words = (RQ_KEY_PREFIX, record_id, utcformat(moment), int(moment.timestamp()), self._bounds.retention_s)
        with redis_errors():
            await self._cancel(
                [Job.key_for(record_id)],
                [*words, names.WAKE_CHANNEL, int(expires), names.TURNS_PREFIX, names.LINE_PREFIX],
            )

    async def _find_same(self, job_id: str, generation: Generation, tenant: str) -> JobRecord:
        with suppress(JobNotFound):  # another application's, or another tenant's
            record = await self.find(job_id, tenant=tenant)
            if record.generation == generation:
                return record.model_copy(update={"is_replayed": True})
        raise JobConflict(f"The job {job_id} exists and asks for something else.")


def _erased(job_id: str) -> JobErased:
    return JobErased(f"The job {job_id} was erased.")
