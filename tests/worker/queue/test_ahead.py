import random

import pytest
from redis import Redis

from app.contract.admission import TURN_COSTS
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand


@pytest.fixture
def hand(redis: Redis) -> Hand:
    return Hand(redis, "darkroom-a", ["mini"])


@pytest.mark.parametrize("seed", range(5))
def test_jobs_are_claimed_in_the_order_that_they_were_told(front: Front, hand: Hand, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    waiting = [front.admit(tenant=chance.choice("abc"), priority=chance.choice([*TURN_COSTS])) for _ in range(30)]
    claimed = hand.claim(12)
    for claim in claimed[:3]:
        hand.give_back(claim)
    waiting += [front.admit(tenant=chance.choice("bcd"), priority=chance.choice([*TURN_COSTS])) for _ in range(10)]
    for job_id in chance.sample(waiting, 4):
        front.cancel(job_id)

    told = {job_id: ahead for job_id in waiting if (ahead := front.find(job_id).ahead) is not None}

    assert [told[job_id] for job_id in hand.claim_ids(len(told))] == list(range(len(told)))


def test_a_job_that_does_not_wait_in_its_queue_has_no_place(front: Front, redis: Redis, hand: Hand) -> None:
    running, canceled, scheduled = (front.admit() for _ in range(3))
    hand.claim(1)
    front.cancel(canceled)
    redis.hset(f"rq:job:{scheduled}", "status", "scheduled")

    assert [front.find(job_id).ahead for job_id in (running, canceled, scheduled)] == [None] * 3


def test_an_admitted_job_hears_of_the_place_that_it_has_when_it_asks(front: Front) -> None:
    for tenant, priority in zip(
        "abcabcab", ("high", "low", "normal", "low", "high", "normal", "high", "low"), strict=True
    ):
        admitted = front.admit_record(tenant=tenant, priority=priority)

        assert front.find(admitted.record_id) == admitted
