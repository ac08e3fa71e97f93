"""A tenant's jobs, page by page."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import redis.asyncio
from rq.defaults import RQ_KEY_PREFIX

from app.contract import names
from app.contract.errors import RequestRejected
from app.contract.job import JobRecord, JobStatus
from app.contract.job_store import JobStore, script
from app.contract.redis_errors import redis_errors
from app.contract.stored_job import StoredJob

AT_ONCE = 50  # jobs that one script looks at
MOST = 500  # and all scripts for one page
CURSOR = r"^[0-9a-f]{1,13}$"  # a place in the list, which is a time in microseconds
END = 2**52


@dataclass(frozen=True)
class Wanted:
    """Which jobs to list, by the times of their admission from `created_after` on and before `created_before`."""

    status: JobStatus | None = None
    model: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None

    def may_be(self, stored: StoredJob) -> bool:
        """Decides what can be decided without parsing the job."""
        return stored.is_its_tenants and self.status in (None, stored.status) and self.model in (None, stored.model)

    def is_met(self, record: JobRecord) -> bool:
        return self.metadata.items() <= record.generation.metadata.items()


@dataclass(frozen=True)
class JobPage:
    """Jobs, the newest first; with a cursor there may be more, even if these are few or none."""

    records: Sequence[JobRecord]
    next_cursor: str | None


class JobList:
    """Reads each tenant's list of jobs: in it a job never changes its place, and a new one comes before all others."""

    def __init__(self, redis: redis.asyncio.Redis, store: JobStore) -> None:
        self._store = store
        self._list = redis.register_script(script("ahead", "reading", "list"))

    async def page(self, wanted: Wanted, *, tenant: str, limit: int, cursor: str | None = None) -> JobPage:
        """The next so many wanted jobs after the cursor, or fewer: it looks at a bounded number and goes on next time.

        Raises RedisUnavailable.
        """
        records: list[JobRecord] = []
        seen = min(int(cursor, 16) if cursor else END, _place(wanted.created_before, END))
        for _ in range(0, MOST, AT_ONCE):
            looked_at, found = await self._look(tenant, seen, _place(wanted.created_after, 0))
            for record_id, place, answer in found:
                stored = StoredJob.of(tenant, record_id.decode(), answer)
                if record := await self._record(stored, wanted):
                    if len(records) == limit:
                        return JobPage(records, f"{seen:x}")
                    records.append(record)
                seen = int(float(place))
            if looked_at < AT_ONCE:
                return JobPage(records, None)
        return JobPage(records, f"{seen:x}")

    async def _look(self, tenant: str, before: int, after: int) -> Any:
        words = (RQ_KEY_PREFIX, names.TURNS_PREFIX, names.LINE_PREFIX, f"({before}", str(after), str(AT_ONCE))
        with redis_errors():
            return await self._list([names.jobs_key(tenant)], words)

    async def _record(self, stored: StoredJob, wanted: Wanted) -> JobRecord | None:
        with suppress(RequestRejected):  # it is gone by now, or another version wrote it
            if stored.is_overdue(time.time()):
                stored = await self._store.look_up(stored.job_id, tenant=stored.tenant)
            if wanted.may_be(stored) and wanted.is_met(record := stored.record()):
                return record
        return None


def _place(moment: datetime | None, default: int) -> int:
    return round(moment.timestamp() * 1e6) if moment else default
