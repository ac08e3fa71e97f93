"""What happens to jobs is counted where it happens, once."""

import time

import pytest
from redis import Redis
from rq.job import Job

from app.contract import names
from app.contract.events import EventType
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand


@pytest.fixture
def hand(redis: Redis) -> Hand:
    return Hand(redis, "darkroom-a", ["mini"])


@pytest.fixture
def other(redis: Redis) -> Hand:
    return Hand(redis, "darkroom-b", ["mini"])


def counts(front: Front) -> dict[str, int]:
    return {what.removesuffix(f" {names.queue_name('mini')}"): number for what, number in front.tally().counts.items()}


def test_each_end_of_a_job_is_counted(front: Front, hand: Hand) -> None:
    for end in (hand.finish, hand.finish, hand.fail):
        front.admit()
        assert end(hand.claim()[0])
    front.cancel(front.admit())
    running = front.admit()
    hand.claim()
    front.cancel(running)
    front.erase(front.admit())

    assert counts(front) == {"ended succeeded": 2, "ended failed": 1, "ended canceled": 3}
    assert front.tally().ended("mini", "succeeded") == 2
    assert front.tally().ended("large", "succeeded") == 0


def test_a_job_expires_once_whoever_sees_it_first(front: Front, hand: Hand) -> None:
    seen, unseen = front.admit(deadline_s=1), front.admit(deadline_s=1)
    time.sleep(1.1)

    front.find(seen)
    hand.claim(free=2)
    front.find(unseen)

    assert counts(front) == {"ended expired": 2}


def test_an_end_of_a_job_that_has_ended_is_none(front: Front, hand: Hand) -> None:
    job_id = front.admit()
    hand.finish(hand.claim()[0])

    front.cancel(job_id)
    front.erase(job_id)

    assert counts(front) == {"ended succeeded": 1}


def test_a_job_that_cannot_be_read_is_counted_where_it_failed(front: Front, hand: Hand, redis: Redis) -> None:
    redis.hset(Job.key_for(front.admit()), "timeout", "never")

    [claim] = hand.claim()
    assert not claim.is_readable
    hand.fail(claim)

    assert counts(front) == {"ended failed": 1}


def test_what_has_to_wait_again_is_counted_by_its_reason(front: Front, hand: Hand, other: Hand, redis: Redis) -> None:
    job_id = front.admit()
    hand.give_back(hand.claim()[0])
    hand.claim()
    hand.die()
    other.ledger.reap()
    redis.hset(Job.key_for(job_id), "retries_left", 1)
    other.fail(other.claim()[0])

    tally = front.tally()
    assert {reason: tally.requeued("mini", reason) for reason in ("given_back", "worker_lost", "retry")} == {
        "given_back": 1,
        "worker_lost": 1,
        "retry": 1,
    }
    assert len(counts(front)) == 3


def test_the_end_that_comes_from_who_has_lost_the_job_is_stale(front: Front, hand: Hand, other: Hand) -> None:
    front.admit()
    [lost] = hand.claim()
    hand.die()
    other.ledger.reap()
    [claim] = other.claim()

    assert not hand.finish(lost)
    other.finish(claim)
    assert not hand.fail(lost)

    assert counts(front) == {"requeued worker_lost": 1, "stale": 2, "ended succeeded": 1}
    assert front.tally().stale_commits("mini") == 2


def test_neither_what_was_withdrawn_nor_what_is_said_again_nor_a_preview_is_stale(
    front: Front, hand: Hand, other: Hand
) -> None:
    for withdraw in (front.cancel, front.erase):
        job_id = front.admit()
        [claim] = hand.claim()
        withdraw(job_id)
        assert not hand.finish(claim)
    front.admit()
    [claim] = hand.claim()
    assert hand.finish(claim)
    assert not hand.finish(claim)  # as when the reply to the first is lost
    front.admit()
    [claim] = hand.claim()
    hand.die()
    other.ledger.reap()
    assert not claim.tell(EventType.PREVIEW, step=1, total_steps=2)

    assert "stale" not in counts(front)


def test_deliveries_are_no_jobs(front: Front, redis: Redis) -> None:
    hand = Hand(redis, "darkroom-a", ["mini"])
    front.admit(webhook={"url": "https://receiver.example/"})
    hand.finish(hand.claim()[0])
    courier = Hand(redis, "darkroom-c", [names.DELIVERIES])
    [delivery] = courier.claim()

    courier.fail(delivery)

    assert counts(front) == {"ended succeeded": 1}
