import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from rq.job import Job

from app import events as module
from app.channel import KEPT, START
from app.contract import names
from app.contract.events import EventId
from app.contract.job import JobRecord, JobStatus
from tests.app.stage import Stage, stage_at
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio
OPEN = names.OPEN_TENANT


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def stage(redis_url: str) -> AsyncIterator[Stage]:
    async with stage_at(redis_url) as stage:
        yield stage


async def test_who_follows_a_job_gets_what_was_and_what_comes_until_it_ends(stage: Stage) -> None:
    job = await stage.admit()
    claim = stage.start()
    listener = asyncio.create_task(stage.listen(job))
    await stage.until(stage.listening_connections)

    stage.progress(claim, 4)
    stage.hand.finish(claim)

    heard = await listener
    assert [event.type for event in heard] == ["queued", "started", "progress", "succeeded"]
    assert [event.id for event in heard] == stage.told(job)
    assert heard[2].data == {"step": 4, "total_steps": 1_000}
    assert [event.record and event.record.status for event in heard] == [None, None, None, JobStatus.SUCCEEDED]


async def test_who_comes_back_gets_only_what_he_has_not_seen(stage: Stage) -> None:
    job = await stage.admit()
    stage.hand.finish(stage.start())

    queued, started, succeeded = await stage.listen(job)

    assert [event.id for event in await stage.listen(job, queued.id)] == [started.id, succeeded.id]
    assert not await stage.events.are_told(await stage.store.find(job.id, tenant=OPEN), started.id)
    assert await stage.events.are_told(await stage.store.find(job.id, tenant=OPEN), succeeded.id)


async def test_many_listeners_share_one_connection_and_one_reading_of_the_job(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [await stage.admit() for _ in range(5)]
    found: list[str] = []
    find = stage.store.find

    async def noting(job_id: str, *, tenant: str) -> JobRecord:
        found.append(job_id)
        return await find(job_id, tenant=tenant)

    monkeypatch.setattr(stage.store, "find", noting)
    listeners = [asyncio.create_task(stage.listen(job)) for job in jobs for _ in range(20)]
    await stage.until(lambda: len(stage.redis.pubsub_channels()) == 5)

    connections = stage.listening_connections()
    for _ in jobs:
        stage.hand.finish(stage.start())

    assert {len(heard) for heard in await asyncio.gather(*listeners)} == {3}
    assert connections == 1
    assert sorted(found) == sorted(job.id for job in jobs)
    await stage.until(lambda: stage.redis.pubsub_channels() == [])


async def test_nothing_is_lost_or_doubled_when_the_connection_is_cut(stage: Stage) -> None:
    job = await stage.admit()
    claim = stage.start()
    listeners = [asyncio.create_task(stage.listen(job)) for _ in range(3)]
    await stage.until(stage.listening_connections)

    for step in range(200):
        stage.progress(claim, step)
        if step % 50 == 25:
            stage.redis.client_kill_filter(_type="pubsub")
            await asyncio.sleep(0.1)
        await asyncio.sleep(0)
    stage.hand.finish(claim)

    for heard in await asyncio.gather(*listeners):
        assert [event.id for event in heard] == stage.told(job)


async def test_nothing_is_lost_or_doubled_when_redis_is_killed(own_redis: RedisServer) -> None:
    async with stage_at(own_redis.url) as stage:
        job = await stage.admit()
        claim = stage.start()
        listener = asyncio.create_task(stage.listen(job))
        await stage.until(stage.listening_connections)

        own_redis.kill()
        late = asyncio.create_task(stage.listen(job))
        await asyncio.sleep(0.3)
        own_redis.start()
        stage.progress(claim, 4)
        stage.hand.finish(claim)

        expected = stage.told(job)
        assert len(expected) == 4
        assert [event.id for event in await listener] == [event.id for event in await late] == expected


async def test_a_slow_listener_catches_up_from_the_stream_and_costs_nothing_meanwhile(stage: Stage) -> None:
    job = await stage.admit()
    claim = stage.start()
    slow = stage.events.follow(job)
    first = await anext(slow)

    for step in range(300):
        stage.progress(claim, step)
        await asyncio.sleep(0)
    stage.hand.finish(claim)
    channel = stage.events._channels[names.events_key(job.record_id)]
    await stage.until(lambda: str(channel.newest) == str(stage.told(job)[-1]))

    assert len(channel._events) <= KEPT
    assert [first.id, *[event.id async for event in slow]] == stage.told(job)


async def test_a_listener_of_what_is_not_kept_any_more_gets_the_job_as_it_is(stage: Stage) -> None:
    job = await stage.admit()
    [queued] = await stage.listen(job, at_most=1)
    claim = stage.start()
    for step in range(5):
        stage.progress(claim, step)
    stage.redis.xtrim(names.events_key(job.record_id), maxlen=2, approximate=False)

    for after in (START, queued.id):
        async with aclosing(stage.events.follow(job, after)) as following:
            snapshot = await anext(following)
            stage.progress(claim, 9)
            progress = await anext(following)

        assert snapshot.record
        assert (snapshot.type, snapshot.record.status) == ("snapshot", JobStatus.RUNNING)
        assert progress.data == {"step": 9, "total_steps": 1_000}


@pytest.mark.parametrize("is_ended", [True, False])
async def test_a_job_of_which_nothing_was_told_is_shown_once(stage: Stage, is_ended: bool) -> None:
    job = await stage.admit()
    claim = stage.start()
    if is_ended:
        stage.hand.finish(claim)
    stage.redis.delete(names.events_key(job.record_id))

    async with aclosing(stage.events.follow(job)) as following:
        snapshot = await anext(following)
        if not is_ended:
            stage.hand.finish(claim)
        rest = [event.type async for event in following]

    assert snapshot.type == "snapshot"
    assert rest == ([] if is_ended else ["succeeded"])
    assert await stage.events.are_told(await stage.store.find(job.id, tenant=OPEN), snapshot.id) == is_ended


async def test_what_rqs_own_tools_end_is_told_too(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    async with stage.events.listening():  # looks as often as that
        job = await stage.admit()
        listener = asyncio.create_task(stage.listen(job))
        await stage.until(stage.listening_connections)

        Job.fetch(job.record_id, connection=stage.redis, serializer="json").cancel()

        assert [(event.type, event.record and event.record.status) for event in await listener] == [
            ("queued", None),
            ("snapshot", JobStatus.CANCELED),
        ]


async def test_a_job_that_is_erased_lets_its_listeners_go(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    async with stage.events.listening():
        job = await stage.admit()
        listener = asyncio.create_task(stage.listen(job))
        await stage.until(stage.listening_connections)

        stage.redis.delete(Job.key_for(job.record_id), names.events_key(job.record_id))

        assert [event.type for event in await listener] == ["queued"]


async def test_who_waits_for_the_end_gets_the_job_as_it_then_is(stage: Stage) -> None:
    job = await stage.admit()
    claim = stage.start()

    early = await stage.events.wait_for_end(job, 0.05)
    waiting = asyncio.create_task(stage.events.wait_for_end(job, 15))
    await asyncio.sleep(0.05)
    stage.hand.finish(claim)
    late = await waiting
    again = await stage.events.wait_for_end(late, 15)

    assert [each.status for each in (early, late, again)] == ["running", "succeeded", "succeeded"]
    await stage.until(lambda: stage.redis.pubsub_channels() == [])


async def test_a_ping_comes_when_nothing_happens(stage: Stage) -> None:
    job = await stage.admit()

    async with aclosing(stage.events.follow(job, ping_s=0.01)) as following:
        heard = [await anext(following) for _ in range(3)]

    assert [event.type for event in heard] == ["queued", "ping", "ping"]


async def test_closing_ends_whatever_is_followed_and_waited_for(stage: Stage) -> None:
    job = await stage.admit()
    following = asyncio.create_task(stage.listen(job))
    waiting = asyncio.create_task(stage.events.wait_for_end(job, 15))
    await stage.until(stage.listening_connections)

    stage.events.close()

    assert [event.type for event in await following] == ["queued"]
    assert (await waiting).status is JobStatus.QUEUED


async def test_listeners_that_leave_and_come_back_see_every_event_once(stage: Stage) -> None:
    chance = random.Random(7)  # noqa: S311
    job = await stage.admit()
    claim = stage.start()

    async def listen_in_parts() -> list[EventId]:
        heard: list[EventId] = []
        while True:
            part = await stage.listen(job, heard[-1] if heard else START, at_most=chance.randint(1, 12))
            heard += [event.id for event in part]
            if part[-1].is_last:
                return heard
            await asyncio.sleep(chance.uniform(0, 0.02))

    listeners = [asyncio.create_task(listen_in_parts()) for _ in range(20)]
    for step in range(100):
        stage.progress(claim, step)
        await asyncio.sleep(0.002)
    stage.hand.finish(claim)

    assert all(heard == stage.told(job) for heard in await asyncio.gather(*listeners))
