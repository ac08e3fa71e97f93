import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import redis.asyncio

from app.contract import names
from app.contract.announcement import Announcement
from app.contract.job import JobError, JobRecord, JobStatus
from app.contract.job_store import JobStore
from app.contract.queues import QueueCounts, Queues, Waiting
from app.contract.tally import Tally
from tests.app.contract.asked import generation
from tests.worker.queue.eventually import eventually

Answer = TypeVar("Answer")


class Front:
    """The API's side of the queue, for tests that are not asynchronous; the ids are those of the records."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._tenants: dict[str, str] = {}  # by record

    def admit(self, job_id: str | None = None, *, tenant: str = names.OPEN_TENANT, **changes: Any) -> str:
        return self.admit_record(job_id, tenant=tenant, **changes).record_id

    def admit_record(self, job_id: str | None = None, *, tenant: str = names.OPEN_TENANT, **changes: Any) -> JobRecord:
        record = self._ask(lambda store: store.admit(generation(**changes), job_id, tenant=tenant))
        self._tenants[record.record_id] = tenant
        return record

    def admit_many(self, number: int, *, tenant: str = names.OPEN_TENANT, **changes: Any) -> list[str]:
        async def ask(store: JobStore) -> list[str]:
            return [(await store.admit(generation(**changes), tenant=tenant)).record_id for _ in range(number)]

        record_ids = self._ask(ask)
        self._tenants |= dict.fromkeys(record_ids, tenant)
        return record_ids

    def find(self, record_id: str) -> JobRecord:
        job_id, tenant = self._owned(record_id)
        return self._ask(lambda store: store.find(job_id, tenant=tenant))

    def cancel(self, record_id: str) -> JobRecord:
        job_id, tenant = self._owned(record_id)
        return self._ask(lambda store: store.cancel(job_id, tenant=tenant))

    def erase(self, record_id: str) -> None:
        job_id, tenant = self._owned(record_id)
        self._ask(lambda store: store.erase(job_id, tenant=tenant))

    def error_of(self, record_id: str) -> JobError:
        error = self.wait_for(record_id, JobStatus.FAILED).error
        assert error
        return error

    def announcements(self) -> list[Announcement]:
        return self._look(lambda queues: queues.announcements())

    def counts(self) -> QueueCounts:
        return self._look(lambda queues: queues.counts(["mini"]))["mini"]

    def wait_for(self, record_id: str, status: JobStatus) -> JobRecord:
        eventually(lambda: self.find(record_id).status is status)
        return self.find(record_id)

    def waiting(self) -> dict[str, Waiting]:
        return self._look(lambda queues: queues.waiting(["mini"]))["mini"]

    def tally(self) -> Tally:
        return self._look(lambda queues: queues.tally())

    def _owned(self, record_id: str) -> tuple[str, str]:
        tenant = self._tenants.get(record_id, names.OPEN_TENANT)
        return names.job_id(tenant, record_id), tenant

    def _ask(self, question: Callable[[JobStore], Awaitable[Answer]]) -> Answer:
        async def ask() -> Answer:
            async with redis.asyncio.Redis.from_url(self._url) as client:
                return await question(JobStore(client, max_queued=1_000, retention_s=600, job_timeout_s=60))

        return asyncio.run(ask())

    def _look(self, question: Callable[[Queues], Awaitable[Answer]]) -> Answer:
        async def look() -> Answer:
            async with redis.asyncio.Redis.from_url(self._url) as client:
                return await question(Queues(client, retention_s=600))

        return asyncio.run(look())
