from redis import Redis
from rq import Queue

from app.contract import names
from app.contract.queues import Waiting
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand


def test_what_was_given_back_waits_since_then_in_its_own_priority(front: Front, redis: Redis) -> None:
    hand, other = Hand(redis, "darkroom-a", ["mini"]), Hand(redis, "darkroom-b", ["mini"])
    records = [front.admit_record(priority=priority) for priority in ("low", "high", "normal")]
    latest = max(record.created_at for record in records)
    claims = hand.claim(free=3)

    hand.give_back(claims[0])
    hand.die()
    other.ledger.reap()

    waiting = front.waiting()
    assert {priority: each.jobs for priority, each in waiting.items()} == {"high": 1, "normal": 1, "low": 1}
    assert all(each.since and each.since > latest for each in waiting.values())


def test_what_rq_itself_has_enqueued_counts_as_normal(front: Front, redis: Redis) -> None:
    front.admit()
    queue = Queue(names.queue_name("mini"), connection=redis, serializer="json")
    job = queue.enqueue(names.JOB_FUNCTION, {})
    queue.push_job_id(job.id, at_front=True)

    waiting = front.waiting()

    assert waiting["normal"].jobs == queue.count == 3
    assert (waiting["high"], waiting["low"]) == (Waiting(), Waiting())
