"""Whatever happens to a job is told in the script that makes it happen: once, in its order, asked for or heard."""

import json
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from redis import Redis
from rq.job import Job

from app.contract import names
from app.contract.events import Event
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand
from worker.queue.claim import DEATHS_MAX
from worker.queue.upkeep import Upkeep

Told = Callable[[str], list[Any]]


@pytest.fixture
def hand(redis: Redis) -> Hand:
    return Hand(redis, "darkroom-a", ["mini"])


@pytest.fixture
def told(redis: Redis) -> Told:
    """What the job's stream holds: an event without data by its type alone."""

    def read(job_id: str) -> list[Any]:
        entries = cast(Any, redis).xrange(names.events_key(job_id))
        events = [Event.of_entry(*entry) for entry in entries]
        return [(event.type, event.data) if event.data else event.type for event in events]

    return read


def test_a_job_that_succeeds_tells_its_way(front: Front, hand: Hand, told: Told) -> None:
    job_id = front.admit()
    [claim] = hand.claim()
    claim.report(4, 20)
    hand.beat([claim])
    hand.beat([claim])

    hand.finish(claim)

    progress = ("progress", {"step": 4, "total_steps": 20})
    assert told(job_id) == ["queued", ("started", {"attempt": 1}), progress, "succeeded"]


def test_a_job_that_fails_says_so(front: Front, hand: Hand, told: Told) -> None:
    job_id = front.admit()

    hand.fail(hand.claim()[0])

    assert told(job_id) == ["queued", ("started", {"attempt": 1}), "failed"]


def test_a_canceled_job_says_so_once(front: Front, hand: Hand, told: Told) -> None:
    runs, waits = front.admit(), front.admit()
    [claim] = hand.claim()

    for job_id in (waits, waits, runs):
        front.cancel(job_id)
    hand.finish(claim)

    assert told(waits) == ["queued", "canceled"]
    assert told(runs) == ["queued", ("started", {"attempt": 1}), "canceled"]


def test_a_job_that_nobody_takes_in_time_expires_once_whoever_sees_it_first(
    front: Front, redis: Redis, hand: Hand, told: Told
) -> None:
    seen, claimed = front.admit(deadline_s=60), front.admit(deadline_s=60)
    for job_id in (seen, claimed):
        redis.hset(Job.key_for(job_id), "darkroom_deadline", time.time() - 1)

    front.find(seen)
    hand.claim(2)

    assert told(seen) == told(claimed) == ["queued", "expired"]


def test_a_job_says_why_it_waits_again(front: Front, redis: Redis, hand: Hand, told: Told) -> None:
    job_id = front.admit()
    redis.hset(Job.key_for(job_id), "retries_left", 1)

    hand.give_back(hand.claim()[0])
    hand.claim()
    hand.die()
    hand.ledger.reap(renews=False)
    hand.fail(hand.claim()[0])
    Upkeep(redis, hand.worker.queues, hand.ledger, 1).tend()
    hand.finish(hand.claim()[0])

    assert told(job_id) == [
        *("queued", ("started", {"attempt": 1}), ("requeued", {"reason": "worker_stopped"})),
        *(("started", {"attempt": 1}), ("requeued", {"reason": "worker_lost"})),
        *(("started", {"attempt": 2}), ("requeued", {"reason": "retry"}), "queued"),
        *(("started", {"attempt": 3}), "succeeded"),
    ]


def test_a_job_that_has_killed_too_many_workers_is_not_told_to_wait_again(
    front: Front, redis: Redis, hand: Hand, told: Told
) -> None:
    job_id = front.admit()
    redis.hset(Job.key_for(job_id), "darkroom_deaths", DEATHS_MAX - 1)
    hand.claim()
    hand.die()

    hand.ledger.reap()
    hand.fail(hand.ledger.take_strays([])[0])

    assert told(job_id) == ["queued", ("started", {"attempt": 1}), "failed"]


def test_who_has_lost_a_job_tells_nothing_of_it(front: Front, hand: Hand, told: Told) -> None:
    job_id = front.admit()
    [claim] = hand.claim()
    front.cancel(job_id)
    before = told(job_id)
    claim.report(4, 20)

    hand.beat([claim])
    hand.finish(claim)
    hand.fail(claim)
    hand.give_back(claim)

    assert told(job_id) == before


def test_an_event_is_kept_as_long_as_its_job_and_heard_at_once(front: Front, redis: Redis, hand: Hand) -> None:
    job_id = front.admit("mine")
    key = names.events_key(job_id)
    heard = redis.pubsub(ignore_subscribe_messages=True)
    heard.subscribe(key)
    heard.get_message(timeout=1)

    hand.finish(hand.claim()[0])

    messages = [message["data"] for _ in range(3) if (message := heard.get_message(timeout=0.2))]
    entries = cast(Any, redis).xrange(key)
    assert [Event.of_message(message) for message in messages] == [Event.of_entry(*entry) for entry in entries[1:]]
    assert abs(redis.ttl(key) - redis.ttl(Job.key_for(job_id))) <= 1
    heard.close()


def test_a_new_job_says_nothing_of_an_earlier_one_of_its_id(front: Front, redis: Redis, told: Told) -> None:
    front.cancel(front.admit("again"))
    redis.delete(Job.key_for("again"))

    front.admit("again")

    assert told("again") == ["queued"]


def test_a_stream_that_takes_no_events_stops_no_job(front: Front, redis: Redis, hand: Hand) -> None:
    job_id = front.admit()
    redis.delete(names.events_key(job_id))
    redis.set(names.events_key(job_id), "taken")

    [claim] = hand.claim()
    claim.report(4, 20)
    hand.beat([claim])

    assert hand.finish(claim)
    assert front.find(job_id).status == "succeeded"


def test_a_stream_does_not_grow_without_end(front: Front, redis: Redis, hand: Hand) -> None:
    job_id = front.admit()
    [claim] = hand.claim()

    for step in range(2_000):
        claim.report(step, 2_000)
        hand.beat([claim])

    assert redis.xlen(names.events_key(job_id)) < 1_200
    assert json.loads(cast(Any, redis).xrevrange(names.events_key(job_id), count=1)[0][1][b"data"])["step"] == 1_999
