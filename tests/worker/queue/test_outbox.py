import json
from typing import Any, cast

import pytest
from redis import Redis
from rq.job import Job
from rq.utils import utcformat

from app.contract import names, outbox
from app.contract.delivery import Delivery
from app.contract.generation import Webhook
from app.contract.job import JobStatus
from app.contract.outbox import QUEUE
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand
from worker.queue import endings

HOOK = Webhook(url="https://receiver.example/hook?a=b")


@pytest.fixture
def hand(redis: Redis) -> Hand:
    return Hand(redis, "darkroom-hand", ["mini"])


def deliveries(redis: Redis) -> list[Job]:
    """The deliveries that the courier has not taken yet."""
    ids = [job_id.decode() for job_id in cast(list[bytes], redis.lrange(f"rq:queue:{QUEUE}", 0, -1))]
    return [Job.fetch(each, connection=redis, serializer="json") for each in ids]


def told(redis: Redis) -> list[tuple[str, str]]:
    return [(job.args[0]["record_id"], job.args[0]["event"]) for job in deliveries(redis)]


def add_endpoint(redis: Redis, endpoint_id: str, events: list[str], tenant: str = "open", **fields: str) -> None:
    redis.sadd(names.ENDPOINTS_PREFIX + tenant, endpoint_id)
    redis.hset(names.endpoint_key(tenant, endpoint_id), mapping=cast(Any, {"events": json.dumps(events), **fields}))


def test_each_end_of_a_job_is_posted_by_its_own_name(front: Front, redis: Redis, hand: Hand) -> None:
    jobs = [front.admit(webhook=HOOK) for _ in range(5)]
    succeeded, failed, abandoned, canceled, waiting = jobs
    claims = hand.claim(3)

    hand.finish(claims[0])
    hand.fail(claims[1])
    hand.ledger.commit(claims[2], hand.ledger.prepare(lambda pipe: endings.abandonment(hand.worker, claims[2], pipe)))
    front.cancel(canceled)
    front.cancel(waiting)
    front.cancel(waiting)

    assert told(redis) == [
        (succeeded, "job.succeeded"),
        (failed, "job.failed"),
        (abandoned, "job.failed"),
        (canceled, "job.canceled"),
        (waiting, "job.canceled"),
    ]


@pytest.mark.parametrize("who", ["a worker", "a caller"])
def test_a_job_that_expires_is_posted_whoever_finds_it(front: Front, redis: Redis, hand: Hand, who: str) -> None:
    job_id = front.admit(webhook=HOOK, deadline_s=1)
    long_ago = {"darkroom_deadline": 1, "created_at": "2020-01-01T00:00:00.000000Z"}
    redis.hset(Job.key_for(job_id), mapping=cast(Any, long_ago))

    if who == "a worker":
        hand.claim()

    assert front.find(job_id).status is JobStatus.EXPIRED
    assert told(redis) == [(job_id, "job.expired")]


def test_a_delivery_says_whom_to_tell_and_nothing_of_the_picture(front: Front, redis: Redis, hand: Hand) -> None:
    record_id = front.admit(webhook=HOOK, tenant="acme", prompt="a secret wish")

    hand.finish(hand.claim()[0])

    [delivery] = deliveries(redis)
    assert delivery.func_name == names.DELIVERY_FUNCTION
    assert delivery.args == [
        {
            "tenant": "acme",
            "record_id": record_id,
            "event": "job.succeeded",
            "at": utcformat(cast(Any, Job.fetch(record_id, connection=redis, serializer="json").ended_at)),
            "endpoint": "default",
            "url": HOOK.url,
        }
    ]
    assert delivery.id.startswith("msg_")
    assert redis.zrange(names.DELIVERIES_PREFIX + "acme", 0, -1) == [delivery.id.encode()]
    assert not [key for key in redis.keys("*msg_*") if b"wish" in (redis.dump(key) or b"")]


def test_the_endpoints_of_the_tenant_that_want_the_event_are_told(front: Front, redis: Redis, hand: Hand) -> None:
    add_endpoint(redis, "we_all", ["job.succeeded", "job.failed"])
    add_endpoint(redis, "we_other", ["job.canceled"])
    add_endpoint(redis, "we_off", ["job.succeeded"], disabled_at="now")
    add_endpoint(redis, "we_stranger", ["job.succeeded"], tenant="acme")
    front.admit(webhook=Webhook(url=HOOK.url, events=["job.failed"]))

    hand.finish(hand.claim()[0])

    assert [(each.args[0]["endpoint"], "url" in each.args[0]) for each in deliveries(redis)] == [("we_all", False)]


def test_what_is_no_end_is_not_posted(front: Front, redis: Redis, hand: Hand) -> None:
    front.admit(webhook=HOOK)
    [claim] = hand.claim()
    hand.give_back(claim)
    [claim] = hand.claim()
    redis.hset(claim.job.key, mapping={"retries_left": 1, "retry_intervals": "[60]"})
    claim.job.retries_left, claim.job.retry_intervals = 1, [60]
    hand.fail(claim)

    assert told(redis) == []


def test_a_zombies_commit_posts_nothing(front: Front, redis: Redis, hand: Hand) -> None:
    job_id = front.admit(webhook=HOOK)
    [lost] = hand.claim()
    hand.die()
    other = Hand(redis, "darkroom-other", ["mini"])
    other.ledger.reap()

    assert other.finish(other.claim()[0])
    assert not hand.finish(lost)
    assert not hand.fail(lost)
    front.cancel(job_id)

    assert told(redis) == [(job_id, "job.succeeded")]


def test_a_job_that_ends_again_is_told_again_under_another_id(front: Front, redis: Redis, hand: Hand) -> None:
    job_id = front.admit(webhook=HOOK)
    hand.fail(hand.claim()[0])
    Job.fetch(job_id, connection=redis, serializer="json").requeue()

    hand.finish(hand.claim()[0])

    assert told(redis) == [(job_id, "job.failed"), (job_id, "job.succeeded")]
    assert len({delivery.id for delivery in deliveries(redis)}) == 2


def test_a_job_ends_even_if_it_cannot_be_posted(front: Front, redis: Redis, hand: Hand) -> None:
    job_id = front.admit(webhook=HOOK)
    redis.set(f"rq:queue:{QUEUE}", "no list")

    assert hand.finish(hand.claim()[0])
    assert front.find(job_id).status is JobStatus.SUCCEEDED


def test_rqs_own_tools_read_a_delivery(front: Front, redis: Redis, hand: Hand) -> None:
    front.admit(webhook=HOOK)
    hand.finish(hand.claim()[0])

    [delivery] = deliveries(redis)

    assert delivery.get_status() == "queued"
    assert delivery.origin == QUEUE
    assert (delivery.description, delivery.kwargs, delivery.timeout) == ("job.succeeded", {}, 60)
    assert redis.sismember("rq:queues", f"rq:queue:{QUEUE}")


def test_the_oldest_deliveries_of_a_tenant_make_room_for_new_ones(
    front: Front, redis: Redis, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(outbox._OUTBOX, "most", 2)
    hand = Hand(redis, "darkroom-other", ["mini"])
    jobs = [front.admit(webhook=HOOK) for _ in range(3)]

    for claim in hand.claim(3):
        hand.finish(claim)

    courier = Hand(redis, "darkroom-courier", [names.DELIVERIES])
    assert redis.zcard(names.DELIVERIES_PREFIX + "open") == 2
    assert [claim.read(Delivery).job_id for claim in courier.claim(3)] == jobs[1:]
