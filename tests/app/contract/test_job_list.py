import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from app.contract import job_list, names
from app.contract.job import JobStatus
from app.contract.job_list import JobList, Wanted
from app.contract.job_store import JobStore
from tests.app.contract.asked import generation

pytestmark = pytest.mark.anyio

TENANT = "a"
ALL = Wanted()


@pytest.fixture
async def listed(redis_url: str, store: JobStore) -> AsyncIterator[JobList]:
    async with AsyncRedis.from_url(redis_url) as client:
        yield JobList(client, store)


async def admit(store: JobStore, number: int, tenant: str = TENANT) -> list[str]:
    return [(await store.admit(generation(), tenant=tenant)).id for _ in range(number)]


async def ids(listed: JobList, wanted: Wanted = ALL, limit: int = 100) -> list[str]:
    return [record.id for record in (await listed.page(wanted, tenant=TENANT, limit=limit)).records]


async def test_a_tenants_own_jobs_are_listed_the_newest_first_as_they_are_found(
    store: JobStore, listed: JobList
) -> None:
    mine = await admit(store, 5)
    await admit(store, 3, tenant="b")

    page = await listed.page(ALL, tenant=TENANT, limit=100)

    assert [record.id for record in page.records] == mine[::-1]
    assert page.records == [await store.find(job_id, tenant=TENANT) for job_id in mine[::-1]]
    assert page.next_cursor is None


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_comes_while_pages_are_read_no_job_is_seen_twice_or_left_out(
    store: JobStore, listed: JobList, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    monkeypatch.setattr(job_list, "AT_ONCE", 3)
    there, seen, cursor = await admit(store, 12), [], None

    for _ in count():
        page = await listed.page(ALL, tenant=TENANT, limit=chance.randint(1, 4), cursor=cursor)
        seen += [record.id for record in page.records]
        await admit(store, chance.randint(0, 1))
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == there[::-1]


async def test_jobs_are_in_the_order_of_their_admission_whatever_the_clock_says(
    store: JobStore, listed: JobList, monkeypatch: pytest.MonkeyPatch
) -> None:
    backwards = (datetime.now(UTC) - timedelta(seconds=n // 2) for n in count())
    monkeypatch.setattr("rq.job.now", lambda: next(backwards))
    admitted = await admit(store, 8)

    first = await listed.page(ALL, tenant=TENANT, limit=3)
    second = await listed.page(ALL, tenant=TENANT, limit=100, cursor=first.next_cursor)

    assert [record.id for record in (*first.records, *second.records)] == admitted[::-1]


async def test_jobs_are_found_by_status_model_metadata_and_time(store: JobStore, listed: JobList) -> None:
    asked: list[dict[str, Any]] = [
        {},
        {"model": "large"},
        {"metadata": {"who": "you", "what": "cats"}},
        {"deadline_s": 1},
    ]
    plain, large, yours, late = [await store.admit(generation(**each), tenant=TENANT) for each in asked]
    await store.cancel(plain.id, tenant=TENANT)

    assert await ids(listed, Wanted(status=JobStatus.CANCELED)) == [plain.id]
    assert await ids(listed, Wanted(status=JobStatus.QUEUED, model="mini")) == [late.id, yours.id]
    assert await ids(listed, Wanted(model="large")) == [large.id]
    assert await ids(listed, Wanted(metadata={"who": "you"})) == [yours.id]
    assert await ids(listed, Wanted(metadata={"who": "you", "what": "dogs"})) == []
    assert await ids(listed, Wanted(created_after=large.created_at, created_before=late.created_at)) == [
        yours.id,
        large.id,
    ]


async def test_a_job_whose_deadline_has_passed_is_listed_as_expired(
    store: JobStore, listed: JobList, redis: Redis
) -> None:
    job = await store.admit(generation(deadline_s=60), tenant=TENANT)
    redis.hset(f"rq:job:{job.record_id}", "darkroom_deadline", 1)

    assert await ids(listed, Wanted(status=JobStatus.EXPIRED)) == [job.id]


async def test_a_page_looks_at_a_bounded_number_of_jobs_and_the_next_one_goes_on(
    store: JobStore, listed: JobList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_list, "AT_ONCE", 2)
    monkeypatch.setattr(job_list, "MOST", 6)
    wanted = Wanted(metadata={"who": "you"})
    yours = await store.admit(generation(metadata={"who": "you"}), tenant=TENANT)
    await admit(store, 13)

    pages = [await listed.page(wanted, tenant=TENANT, limit=10)]
    while cursor := pages[-1].next_cursor:
        pages.append(await listed.page(wanted, tenant=TENANT, limit=10, cursor=cursor))

    assert [[record.id for record in page.records] for page in pages] == [[], [], [yours.id]]


async def test_jobs_whose_time_is_over_leave_the_list(store: JobStore, listed: JobList, redis: Redis) -> None:
    gone, stays = await admit(store, 2)
    redis.delete(f"rq:job:{TENANT}_{gone}")

    assert await ids(listed) == [stays]
    assert redis.zcard(names.jobs_key(TENANT)) == 1


async def test_a_list_that_nobody_reads_does_not_grow_for_ever(store: JobStore, redis: Redis) -> None:
    for _ in range(10):
        for job_id in await admit(store, 15):
            redis.delete(f"rq:job:{TENANT}_{job_id}")
        redis.delete(*(key for key in redis.scan_iter() if key != names.jobs_key(TENANT).encode()))

    assert redis.zcard(names.jobs_key(TENANT)) < 60
    assert redis.ttl(names.jobs_key(TENANT)) > 600


async def test_anothers_job_that_has_come_to_a_record_of_this_name_is_not_listed(
    store: JobStore, listed: JobList, redis: Redis
) -> None:
    await store.admit(generation(), f"{TENANT}_mine", tenant=names.OPEN_TENANT)
    redis.delete(f"rq:job:{TENANT}_mine")
    await store.admit(generation(), "mine", tenant=TENANT)

    assert (await listed.page(ALL, tenant=names.OPEN_TENANT, limit=1)).records == []
    assert await ids(listed) == ["mine"]
