from datetime import UTC, datetime

import pytest
from redis import Redis
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry

from app.contract import names
from app.contract.announcement import Announcement
from app.contract.job_store import JobStore
from app.contract.queues import Queues, Waiting
from tests.app.contract.asked import generation

pytestmark = pytest.mark.anyio

MINI = names.queue_name("mini")
OPEN = names.OPEN_TENANT


def fetch(redis: Redis, job_id: str) -> Job:
    return Job.fetch(job_id, connection=redis, serializer="json")


async def test_the_oldest_is_the_first_of_each_queue(store: JobStore, queues: Queues) -> None:
    first = await store.admit(generation(), tenant=OPEN)
    await store.admit(generation(), tenant=OPEN)

    assert await queues.oldest(["mini", "unused"]) == {"mini": first.created_at}


async def test_each_model_has_a_queue_of_its_own(store: JobStore, queues: Queues) -> None:
    await store.admit(generation(model="mini"), tenant=OPEN)
    await store.admit(generation(model="large"), tenant=OPEN)

    counts = await queues.counts(["mini", "large", "unused"])

    assert {model: count.queued for model, count in counts.items()} == {"mini": 1, "large": 1, "unused": 0}


async def test_counting_counts_every_status_and_changes_nothing(store: JobStore, queues: Queues, redis: Redis) -> None:
    ids = [(await store.admit(generation(), tenant=OPEN)).id for _ in range(5)]
    await store.cancel(ids[0], tenant=OPEN)
    redis.zadd(f"rq:wip:{MINI}", {f"{ids[1]}:abandoned": 1})
    FinishedJobRegistry(MINI, connection=redis).add(fetch(redis, ids[2]), ttl=60)
    redis.zadd(FinishedJobRegistry(MINI, connection=redis).key, {"expired": 1})
    FailedJobRegistry(MINI, connection=redis).add(fetch(redis, ids[3]), ttl=60)

    counts = (await queues.counts(["mini"]))["mini"]

    assert counts.model_dump() == {"queued": 4, "running": 1, "succeeded": 1, "failed": 1, "canceled": 1}
    assert redis.zcard(f"rq:wip:{MINI}") == 1


async def test_announcements_are_those_of_workers_with_a_lease(queues: Queues, redis: Redis) -> None:
    announcement = Announcement(
        worker="darkroom-a",
        started_at=datetime.now(UTC),
        device="cpu",
        dtype="float32",
        capacity=4,
        running=1,
        models=["mini"],
        modules=[],
        never_stacked=[],
    )
    assert await queues.announcements() == []

    redis.sadd("rq:workers", "rq:worker:darkroom-a", "rq:worker:darkroom-dead")
    redis.set(names.announcement_key("darkroom-a"), announcement.model_dump_json())

    assert await queues.announcements() == [announcement]


async def test_who_waits_is_told_by_priority_with_the_time_of_the_first(store: JobStore, queues: Queues) -> None:
    first = await store.admit(generation(), tenant="one")
    for tenant in ("one", "two"):
        await store.admit(generation(), tenant=tenant)
    high = await store.admit(generation(priority="high"), tenant="two")

    waiting = await queues.waiting(["mini", "unused"])

    assert waiting["mini"] == {
        "high": Waiting(1, high.created_at),
        "normal": Waiting(3, first.created_at),
        "low": Waiting(),
    }
    assert waiting["unused"] == dict.fromkeys(("high", "normal", "low"), Waiting())
