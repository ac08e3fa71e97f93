"""Whose job is the next: shares between priorities and tenants, beside a list that stays rq's."""

from collections import Counter
from random import Random
from typing import Any, cast

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from app.contract import names
from app.contract.admission import TURN_COSTS
from app.contract.job import JobStatus
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand
from worker.queue import Claim

MINI = names.queue_name("mini")
MOVES = ["admit"] * 6 + ["claim"] * 3 + ["cancel"] * 2 + ["reap", "finish", "give_back"]


@pytest.fixture
def hand(redis: Redis) -> Hand:
    return Hand(redis, "darkroom-a", ["mini"])


@pytest.fixture
def mini(redis: Redis) -> Queue:
    return Queue(MINI, connection=redis, serializer=JSONSerializer)


def order_keys(redis: Redis) -> list[bytes | str]:
    return [*redis.keys(f"{names.TURNS_PREFIX}*"), *redis.keys(f"{names.LINE_PREFIX}*")]


def test_a_tenant_with_many_jobs_does_not_hold_up_anothers_first(front: Front, hand: Hand) -> None:
    front.admit_many(200, tenant="many")
    hand.claim(50)

    first = front.admit(tenant="one")

    assert first in hand.claim_ids(3)


def test_the_first_of_a_low_priority_comes_soon_among_anothers_high_ones(front: Front, hand: Hand) -> None:
    front.admit_many(100, tenant="many", priority="high")

    first = front.admit(tenant="one", priority="low")

    assert first in hand.claim_ids(8)


def test_tenants_have_equal_shares_while_all_of_them_wait(front: Front, hand: Hand) -> None:
    owner: dict[str, str] = {}
    for tenant, number in (("a", 50), ("b", 30), ("c", 20)):
        owner |= dict.fromkeys(front.admit_many(number, tenant=tenant), tenant)

    shares = Counter(owner[job_id] for _ in range(15) for job_id in hand.claim_ids(2))

    assert max(shares.values()) - min(shares.values()) <= 2
    assert shares.total() == 30


def test_a_tenant_that_sends_one_job_at_a_time_does_not_pass_one_that_waits(front: Front, hand: Hand) -> None:
    waiting = front.admit_many(40, tenant="z")
    claimed = []
    for _ in range(20):
        front.admit(tenant="a")
        claimed += hand.claim_ids(1)

    assert 8 <= len(set(waiting) & set(claimed)) <= 14


def test_priorities_have_shares_of_six_to_three_to_one(front: Front, hand: Hand) -> None:
    priority: dict[str, str] = {}
    for each in ("low", "normal", "high"):
        priority |= dict.fromkeys(front.admit_many(40, priority=each), each)

    shares = Counter(priority[job_id] for job_id in hand.claim_ids(50))

    assert [abs(shares[each] - expected) <= 1 for each, expected in (("high", 30), ("normal", 15), ("low", 5))]
    assert shares.total() == 50


def test_the_jobs_of_one_line_keep_their_order(front: Front, hand: Hand) -> None:
    ours = front.admit_many(10, tenant="a")
    front.admit_many(10, tenant="b")

    assert [job_id for job_id in hand.claim_ids(20) if job_id in ours] == ours


def test_the_list_is_rqs_own_in_the_order_of_arrival(front: Front, mini: Queue, redis: Redis) -> None:
    low, high = front.admit(priority="low"), front.admit(priority="high")

    assert mini.job_ids == [low, high]
    assert Job.fetch(high, connection=redis, serializer=JSONSerializer).get_position() == 1


def test_what_was_given_back_or_reaped_is_the_next(front: Front, redis: Redis, hand: Hand) -> None:
    first, second = front.admit(priority="low"), front.admit(priority="low")
    [claim] = hand.claim()
    dead = Hand(redis, "darkroom-dead", ["mini"])
    dead.claim()
    front.admit_many(5, priority="high", tenant="other")

    dead.die()
    hand.ledger.reap()
    hand.give_back(claim)

    assert hand.claim_ids(2) == [first, second]


def test_a_job_that_rq_enqueued_is_claimed_in_its_place(front: Front, mini: Queue, hand: Hand) -> None:
    before = front.admit()
    stock = mini.enqueue("os.getpid")
    after = front.admit()
    urgent = mini.enqueue("os.getpid", at_front=True)

    assert hand.claim_ids(2) == [urgent.id, before]
    assert hand.claim_ids(2) == [stock.id, after]


def test_a_tenant_that_canceled_its_jobs_is_not_set_back(front: Front, hand: Hand) -> None:
    front.admit_many(20, tenant="other")
    for job_id in front.admit_many(20, tenant="mine"):
        front.cancel(job_id)

    wanted = front.admit(tenant="mine")

    assert wanted in hand.claim_ids(3)


def test_a_tenant_whose_jobs_expired_is_not_set_back(front: Front, redis: Redis, hand: Hand) -> None:
    front.admit_many(20, tenant="other")
    for job_id in front.admit_many(20, tenant="mine", deadline_s=60):
        redis.hset(Job.key_for(job_id), "darkroom_deadline", 1)

    wanted = front.admit(tenant="mine")

    assert wanted in hand.claim_ids(3)


def test_jobs_that_rqs_tools_took_away_are_passed_over(front: Front, redis: Redis, hand: Hand) -> None:
    canceled, deleted, kept = (front.admit() for _ in range(3))
    Job.fetch(canceled, connection=redis, serializer=JSONSerializer).cancel()
    Job.fetch(deleted, connection=redis, serializer=JSONSerializer).delete()

    assert hand.claim_ids(3) == [kept]
    assert order_keys(redis) == []


def test_nothing_of_the_order_stays_when_nothing_waits(front: Front, redis: Redis, mini: Queue, hand: Hand) -> None:
    started, canceled, *_ = [front.admit(tenant=tenant, priority="low") for tenant in "abcd"]
    assert len(order_keys(redis)) == 5

    front.cancel(canceled)
    assert len(order_keys(redis)) == 4
    assert hand.claim_ids(1) == [started]
    assert len(order_keys(redis)) == 3
    mini.empty()
    assert hand.claim_ids(1) == []

    assert order_keys(redis) == []


def test_a_suspect_in_the_line_waits_for_an_empty_worker(front: Front, redis: Redis, hand: Hand) -> None:
    suspect, other = front.admit(priority="high"), front.admit()
    redis.hset(Job.key_for(suspect), "darkroom_deaths", 2)

    assert hand.claim_ids(4, in_flight=1) == []
    assert hand.claim_ids(4) == [suspect]
    assert hand.claim_ids(4) == [other]


def test_a_job_with_a_name_is_admitted_once_whatever_its_priority_was(front: Front, redis: Redis, hand: Hand) -> None:
    front.admit("mine", priority="high")
    front.cancel("mine")
    redis.delete(Job.key_for("mine"))

    front.admit("mine", priority="low")

    assert hand.claim_ids(3) == ["mine"]
    assert front.find("mine").status is JobStatus.RUNNING
    assert order_keys(redis) == []


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_lines_hold_only_what_waits(front: Front, redis: Redis, mini: Queue, seed: int) -> None:
    chance = Random(seed)  # noqa: S311
    hands = [Hand(redis, name, ["mini"]) for name in ("darkroom-a", "darkroom-b")]
    job_ids: list[str] = []
    claims: list[tuple[Hand, Claim]] = []
    for _ in range(120):
        match chance.choice(MOVES):
            case "admit":
                job_ids.append(front.admit(tenant=chance.choice("abc"), priority=chance.choice([*TURN_COSTS])))
            case "claim":
                hand = chance.choice(hands)
                claims += [(hand, claim) for claim in hand.claim(2)]
            case "cancel" if job_ids:
                front.cancel(chance.choice(job_ids))
            case "reap":
                hands[0].die()
                hands[1].ledger.reap()
            case "finish" | "give_back" as end if claims:
                hand, claim = claims.pop(chance.randrange(len(claims)))
                getattr(hand, end)(claim)
        assert_ordered(redis, mini)
    while mini.job_ids:
        assert hands[0].claim(4)
    assert order_keys(redis) == []


def assert_ordered(redis: Redis, mini: Queue) -> None:
    """Each line has a turn, and each job in one is in the list and in no other line."""
    client, prefix = cast(Any, redis), f"{names.LINE_PREFIX}{MINI}:"
    lines = {key.decode(): client.lrange(key, 0, -1) for key in client.keys(f"{prefix}*")}
    waiting = [job_id.decode() for line in lines.values() for job_id in line]
    assert len(waiting) == len(set(waiting))
    assert set(waiting) <= set(mini.job_ids)
    turns = client.zrange(f"{names.TURNS_PREFIX}{MINI}", 0, -1)
    assert {prefix + line.decode() for line in turns} == set(lines)
