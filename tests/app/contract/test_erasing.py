import pytest
from redis import Redis
from rq.job import JobStatus as RqStatus

from app.contract import names
from app.contract.errors import JobErased, JobNotFound
from app.contract.job_store import JobStore
from tests.app.contract.asked import generation

pytestmark = pytest.mark.anyio

TENANT = "a"


def keys(redis: Redis) -> set[str]:
    return {key.decode() for key in redis.scan_iter()} - {names.TALLY}  # which counts jobs and names none


async def test_of_an_erased_job_nothing_is_left_but_the_mark(store: JobStore, redis: Redis) -> None:
    await store.admit(generation(), "mine", tenant=TENANT)

    await store.erase("mine", tenant=TENANT)

    mark = names.erased_key("a_mine")
    assert keys(redis) == {mark, "rq:queues"}
    assert 0 < redis.ttl(mark) <= 600


async def test_an_erased_job_is_gone_for_every_way_of_asking(store: JobStore) -> None:
    await store.admit(generation(), "mine", tenant=TENANT)

    await store.erase("mine", tenant=TENANT)
    await store.erase("mine", tenant=TENANT)

    with pytest.raises(JobErased):
        await store.find("mine", tenant=TENANT)
    with pytest.raises(JobErased):
        await store.cancel("mine", tenant=TENANT)
    with pytest.raises(JobErased):
        await store.admit(generation(), "mine", tenant=TENANT)


async def test_nobody_erases_what_is_not_theirs(store: JobStore) -> None:
    theirs = await store.admit(generation(), "mine", tenant=TENANT)

    for job_id, tenant in (("mine", "b"), ("mine", names.OPEN_TENANT), ("a_mine", names.OPEN_TENANT), ("no", TENANT)):
        with pytest.raises(JobNotFound):
            await store.erase(job_id, tenant=tenant)

    assert await store.find("mine", tenant=TENANT) == theirs
    await store.erase("mine", tenant=TENANT)
    with pytest.raises(JobNotFound):
        await store.find("a_mine", tenant=names.OPEN_TENANT)


@pytest.mark.parametrize("status", [RqStatus.FINISHED, RqStatus.FAILED, RqStatus.CANCELED, RqStatus.SCHEDULED])
async def test_a_job_in_any_state_is_erased(store: JobStore, redis: Redis, status: RqStatus) -> None:
    await store.admit(generation(), "mine", tenant=TENANT)
    queue = names.queue_name("mini")
    redis.hset("rq:job:a_mine", "status", status)
    redis.xadd("rq:results:a_mine", {"type": 1})
    for registry in ("finished", "failed", "canceled", "scheduled"):
        redis.zadd(f"rq:{registry}:{queue}", {"a_mine": 1})

    await store.erase("mine", tenant=TENANT)

    assert keys(redis) == {names.erased_key("a_mine"), "rq:queues"}


async def test_who_listens_to_a_live_job_hears_that_it_ended(store: JobStore, redis: Redis) -> None:
    record = await store.admit(generation(), tenant=TENANT)

    with redis.pubsub() as subscription:
        subscription.subscribe(names.events_key(record.record_id))
        subscription.get_message(timeout=1)
        await store.erase(record.id, tenant=TENANT)

        assert b" canceled " in subscription.get_message(timeout=1)["data"]
