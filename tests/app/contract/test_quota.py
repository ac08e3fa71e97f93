"""What one API key may have admitted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import redis.asyncio
from redis import Redis
from rq.job import JobStatus

from app.contract import names
from app.contract.errors import ShareFull
from app.contract.job_store import JobStore
from app.contract.limits import Limits, Quota
from tests.app.contract.asked import generation
from tests.app.finished import fetch

pytestmark = pytest.mark.anyio


def quota(key_id: str = "key1", **limits: int) -> Quota:
    return Quota(key_id, Limits(**limits))


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[JobStore]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield JobStore(client, max_queued=1_000, retention_s=600, job_timeout_s=60)


async def test_a_key_has_no_more_jobs_than_it_may_however_fast_it_sends_them(store: JobStore) -> None:
    asked = [store.admit(generation(), tenant="a", quota=quota(max_jobs=5)) for _ in range(20)]

    answers = await asyncio.gather(*asked, return_exceptions=True)

    refused = [each for each in answers if isinstance(each, ShareFull)]
    assert len(answers) - len(refused) == 5
    assert len(refused) == 15
    assert {each.limit for each in refused} == {"max_jobs"}
    assert "max_jobs=5" in str(refused[0])
    assert refused[0].retry_after_s > 0


async def test_a_job_that_has_ended_makes_room_for_another(store: JobStore, redis: Redis) -> None:
    ended = [JobStatus.FINISHED, JobStatus.FAILED, JobStatus.CANCELED, JobStatus.STOPPED, None]
    ids = [(await store.admit(generation(), tenant="a", quota=quota(max_jobs=5))).record_id for _ in ended]
    with pytest.raises(ShareFull):
        await store.admit(generation(), tenant="a", quota=quota(max_jobs=5))

    for record_id, status in zip(ids, ended, strict=True):
        fetch(redis, record_id).set_status(status) if status else redis.delete(f"rq:job:{record_id}")

    for _ in ended:
        await store.admit(generation(), tenant="a", quota=quota(max_jobs=5))
    with pytest.raises(ShareFull):
        await store.admit(generation(), tenant="a", quota=quota(max_jobs=5))
    assert redis.scard(names.live_jobs_key("key1")) == 5


async def test_a_running_job_counts_as_a_job_and_not_as_one_that_waits(store: JobStore, redis: Redis) -> None:
    both = quota(max_jobs=3, max_queued=1)
    first = await store.admit(generation(), tenant="a", quota=both)
    with pytest.raises(ShareFull) as refused:
        await store.admit(generation(), tenant="a", quota=both)
    assert refused.value.limit == "max_queued"

    fetch(redis, first.record_id).set_status(JobStatus.STARTED)
    second = await store.admit(generation(), tenant="a", quota=both)
    fetch(redis, second.record_id).set_status(JobStatus.SCHEDULED)  # it waits for its next attempt

    with pytest.raises(ShareFull) as refused:
        await store.admit(generation(), tenant="a", quota=both)
    assert refused.value.limit == "max_queued"


async def test_pixels_are_counted_by_the_day_and_a_repeat_costs_nothing(store: JobStore, redis: Redis) -> None:
    one = 2 * 64 * 128
    asked = generation(num_images=2, width=64, height=128)
    for_three = quota(pixels_per_day=3 * one + 1)

    for _ in range(5):
        await store.admit(asked, "same", tenant="a", quota=for_three)
    for _ in range(2):
        await store.admit(asked, tenant="a", quota=for_three)

    with pytest.raises(ShareFull) as refused:
        await store.admit(asked, tenant="a", quota=for_three)
    assert refused.value.limit == "pixels_per_day"
    assert 0 < refused.value.retry_after_s <= 86_400
    today = names.pixels_key("key1", datetime.now(UTC).strftime("%Y-%m-%d"))
    assert int(redis.get(today) or 0) == 3 * one
    assert 86_400 < redis.ttl(today) <= 2 * 86_400


async def test_a_refused_job_is_charged_for_nothing(store: JobStore, redis: Redis) -> None:
    small = quota(pixels_per_day=128 * 128)
    with pytest.raises(ShareFull):
        await store.admit(generation(width=256), tenant="a", quota=small)

    await store.admit(generation(), tenant="a", quota=small)

    assert [name for name in redis.scan_iter(names.pixels_key("key1", "*")) if redis.get(name) != b"16384"] == []


async def test_keys_of_one_tenant_have_limits_of_their_own(store: JobStore) -> None:
    await store.admit(generation(), tenant="a", quota=quota("key1", max_jobs=1))

    await store.admit(generation(), tenant="a", quota=quota("key2", max_jobs=1))
    await store.admit(generation(), tenant="a")

    with pytest.raises(ShareFull):
        await store.admit(generation(), tenant="a", quota=quota("key1", max_jobs=1))
