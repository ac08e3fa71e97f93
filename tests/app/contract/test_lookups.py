import asyncio

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from app.contract import names
from app.contract.errors import JobNotFound, RedisUnavailable
from app.contract.job_store import JobStore
from tests.app.contract.asked import generation

pytestmark = pytest.mark.anyio

TENANT = "a"


def scripts_run(redis: Redis) -> int:
    stats = redis.info("commandstats")
    return sum(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"] for command in ("eval", "evalsha"))


async def test_what_many_ask_for_at_once_is_read_together(store: JobStore, redis: Redis) -> None:
    ids = [(await store.admit(generation(seed=n), tenant=TENANT)).id for n in range(10)]
    await store.find(ids[0], tenant=TENANT)  # the script is known to Redis now
    before = scripts_run(redis)

    found = await asyncio.gather(*(store.find(job_id, tenant=TENANT) for job_id in ids * 3))

    assert [record.id for record in found] == ids * 3
    assert scripts_run(redis) - before <= 2


async def test_each_gets_its_own_answer_whatever_the_others_get(store: JobStore, redis: Redis) -> None:
    job = await store.admit(generation(), "mine", tenant=TENANT)
    await store.admit(generation(), "gone", tenant=TENANT)
    redis.set(f"rq:job:{TENANT}_odd", "no job at all")
    asked = [asyncio.create_task(store.find(each, tenant=TENANT)) for each in ("gone", "mine", "odd", "unknown")]
    await asyncio.sleep(0)
    asked[0].cancel()

    gone, mine, odd, unknown = await asyncio.gather(*asked, return_exceptions=True)

    assert isinstance(gone, asyncio.CancelledError)
    assert mine == job
    assert isinstance(odd, JobNotFound)
    assert isinstance(unknown, JobNotFound)


async def test_all_who_asked_hear_of_a_redis_that_is_away_and_the_next_ones_ask_again() -> None:
    async with AsyncRedis.from_url("unix:///nowhere/redis.sock") as client:
        store = JobStore(client, max_queued=1, retention_s=60, job_timeout_s=60)

        for _ in range(2):
            asked = (store.find(job_id, tenant=names.OPEN_TENANT) for job_id in "abc")
            answers = await asyncio.gather(*asked, return_exceptions=True)

            assert [type(answer) for answer in answers] == [RedisUnavailable] * 3
