import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from app.contract import names
from app.contract.job import JobStatus
from app.contract.job_store import JobStore
from app.openai.attendance import Attendance
from tests.app.contract.asked import generation

pytestmark = pytest.mark.anyio

OPEN = names.OPEN_TENANT


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def store(client: redis.asyncio.Redis) -> JobStore:
    return JobStore(client, max_queued=20, retention_s=600, job_timeout_s=60)


@pytest.fixture
async def attendance(client: redis.asyncio.Redis, store: JobStore) -> AsyncIterator[Attendance]:
    async with Attendance(client, store, reattach_s=60) as attendance:
        yield attendance


@pytest.fixture
async def impatient(client: redis.asyncio.Redis, store: JobStore) -> AsyncIterator[Attendance]:
    async with Attendance(client, store, reattach_s=0.2) as attendance:
        yield attendance


async def job_of(attendance: Attendance, body: bytes, *, tenant: str = OPEN, is_retry: bool) -> str:
    """The job of a request that comes and goes at once."""
    async with attendance.job_for(body, tenant=tenant, is_retry=is_retry) as job_id:
        return job_id


async def settled() -> None:
    """Gives those who have left the time to say so."""
    await asyncio.sleep(0.05)


async def test_two_requests_with_one_body_are_two_jobs(attendance: Attendance) -> None:
    jobs = {await job_of(attendance, b"a cat", is_retry=False) for _ in range(2)}

    assert len(jobs) == 2


async def test_a_retry_joins_the_job_of_its_first_try_even_while_that_is_not_known_to_be_lost(
    attendance: Attendance,
) -> None:
    async with attendance.job_for(b"a cat", tenant=OPEN, is_retry=False) as first:
        during = await job_of(attendance, b"a cat", is_retry=True)
    after = await job_of(attendance, b"a cat", is_retry=True)

    assert first == during == after


async def test_a_retry_of_another_body_or_of_another_tenant_is_a_job_of_its_own(attendance: Attendance) -> None:
    first = await job_of(attendance, b"a cat", is_retry=False)

    other_body = await job_of(attendance, b"a dog", is_retry=True)
    other_tenant = await job_of(attendance, b"a cat", tenant="ann", is_retry=True)

    assert len({first, other_body, other_tenant}) == 3


async def test_a_retry_takes_the_job_that_nobody_attends(attendance: Attendance) -> None:
    async with attendance.job_for(b"a cat", tenant=OPEN, is_retry=False) as lost:
        pass
    async with attendance.job_for(b"a cat", tenant=OPEN, is_retry=False):
        await settled()

        found = await job_of(attendance, b"a cat", is_retry=True)

    assert found == lost


async def test_an_abandoned_job_is_canceled_when_nobody_comes_again(impatient: Attendance, store: JobStore) -> None:
    async with impatient.job_for(b"a cat", tenant=OPEN, is_retry=False) as job_id:
        await store.admit(generation(), job_id, tenant=OPEN)
    await settled()
    early = (await store.find(job_id, tenant=OPEN)).status

    await asyncio.sleep(0.3)

    assert (early, (await store.find(job_id, tenant=OPEN)).status) == (JobStatus.QUEUED, JobStatus.CANCELED)
    assert await job_of(impatient, b"a cat", is_retry=True) != job_id


async def test_a_job_that_a_retry_has_joined_goes_on(impatient: Attendance, store: JobStore) -> None:
    async with impatient.job_for(b"a cat", tenant=OPEN, is_retry=False) as job_id:
        await store.admit(generation(), job_id, tenant=OPEN)
    async with impatient.job_for(b"a cat", tenant=OPEN, is_retry=True):
        await asyncio.sleep(0.3)

        assert (await store.find(job_id, tenant=OPEN)).status is JobStatus.QUEUED


async def test_a_request_that_was_refused_leaves_nothing(
    impatient: Attendance, client: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await job_of(impatient, b"a cat", is_retry=False)

    await asyncio.sleep(0.3)

    assert await client.keys("darkroom:tries:*") == []
    assert caplog.records == []
