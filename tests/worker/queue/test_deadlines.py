import threading
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from rq.job import Job
from rq.registry import CanceledJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import utcformat

from app.contract import names
from app.contract.job import JobStatus
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand

MINI = names.queue_name("mini")
DEADLINE_S = 30


@pytest.fixture
def hand(redis: Redis) -> Hand:
    return Hand(redis, "darkroom-a", ["mini"])


def let_pass(redis: Redis, job_id: str) -> None:
    """Has the job been admitted so long ago that its deadline is over."""
    job = Job.fetch(job_id, connection=redis, serializer=JSONSerializer)
    created_at = job.created_at - timedelta(seconds=DEADLINE_S)
    redis.hset(job.key, "created_at", utcformat(created_at))
    redis.hset(job.key, "darkroom_deadline", created_at.timestamp() + DEADLINE_S)


def assert_expired(front: Front, redis: Redis, job_id: str) -> None:
    record = front.find(job_id)
    assert (record.status, record.attempt) == (JobStatus.EXPIRED, 0)
    assert record.ended_at is not None
    assert redis.llen(f"rq:queue:{MINI}") == 0
    assert CanceledJobRegistry(MINI, connection=redis).get_job_ids() == [job_id]
    assert 0 < redis.ttl(Job.key_for(job_id)) <= 600


def test_a_claim_expires_what_has_waited_past_its_deadline(front: Front, redis: Redis, hand: Hand) -> None:
    late, patient, timely = front.admit(deadline_s=DEADLINE_S), front.admit(), front.admit(deadline_s=DEADLINE_S)
    let_pass(redis, late)

    assert hand.claim_ids(2) == [patient, timely]

    assert_expired(front, redis, late)


def test_a_job_expires_without_a_worker_when_it_is_read(front: Front, redis: Redis) -> None:
    job_id = front.admit(deadline_s=DEADLINE_S)
    assert front.find(job_id).status is JobStatus.QUEUED

    let_pass(redis, job_id)

    assert_expired(front, redis, job_id)
    assert front.cancel(job_id).status is JobStatus.EXPIRED


def test_a_job_that_has_started_in_time_does_not_expire(front: Front, redis: Redis, hand: Hand) -> None:
    job_id = front.admit(deadline_s=DEADLINE_S)
    [claim] = hand.claim()

    let_pass(redis, job_id)

    assert front.find(job_id).status is JobStatus.RUNNING
    assert hand.finish(claim)
    assert front.find(job_id).status is JobStatus.SUCCEEDED


def test_a_job_that_has_started_and_is_back_in_the_queue_does_not_expire(
    front: Front, redis: Redis, hand: Hand
) -> None:
    given_back, reaped = (front.admit(deadline_s=DEADLINE_S) for _ in range(2))
    [claim, _] = hand.claim(2)
    for job_id in (given_back, reaped):
        redis.hset(Job.key_for(job_id), "created_at", utcformat(datetime.now(UTC) - timedelta(days=1)))

    assert hand.give_back(claim)
    hand.die()
    assert hand.ledger.reap(renews=False) == [reaped]

    assert {front.find(job_id).status for job_id in (given_back, reaped)} == {JobStatus.QUEUED}
    assert sorted(hand.claim_ids(2)) == sorted([given_back, reaped])


def test_a_job_that_is_read_and_claimed_at_once_has_one_end(front: Front, redis: Redis, hand: Hand) -> None:
    job_ids = [front.admit(deadline_s=DEADLINE_S) for _ in range(20)]
    for job_id in job_ids:
        let_pass(redis, job_id)
    reader = threading.Thread(target=lambda: [front.find(job_id) for job_id in reversed(job_ids)])

    reader.start()
    claimed = [hand.claim(1) for _ in job_ids]
    reader.join()

    assert claimed == [[]] * len(job_ids)
    assert sorted(CanceledJobRegistry(MINI, connection=redis).get_job_ids()) == sorted(job_ids)
    assert {front.find(job_id).status for job_id in job_ids} == {JobStatus.EXPIRED}


def test_the_record_tells_the_deadline(front: Front) -> None:
    record = front.find(front.admit(deadline_s=DEADLINE_S))

    assert record.deadline_at == record.created_at + timedelta(seconds=DEADLINE_S)
    assert front.find(front.admit()).deadline_at is None
