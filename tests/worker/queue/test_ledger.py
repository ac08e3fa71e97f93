import threading
from collections.abc import Callable
from itertools import chain

import pytest
from redis import Redis
from rq import Queue
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from app.contract import names
from app.contract.job import JobStatus
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand

MINI = names.queue_name("mini")


Hands = Callable[..., Hand]


@pytest.fixture
def hand(redis: Redis) -> Hands:
    return lambda name="darkroom-a", models=("mini",): Hand(redis, name, list(models))


def waiting(redis: Redis) -> list[str]:
    return Queue(MINI, connection=redis).job_ids


def test_a_claim_starts_the_oldest_jobs(front: Front, redis: Redis, hand: Hands) -> None:
    job_ids = [front.admit() for _ in range(3)]

    claims = hand().claim(2)

    assert [claim.job_id for claim in claims] == job_ids[:2]
    assert waiting(redis) == job_ids[2:]
    assert front.find(job_ids[0]).status is JobStatus.RUNNING
    assert claims[0].generation == front.find(job_ids[0]).generation
    assert claims[0].timeout_s == 60


def test_a_claim_leaves_what_is_not_queued(front: Front, redis: Redis, hand: Hands) -> None:
    twice, deleted, canceled, good = (front.admit() for _ in range(4))
    redis.rpush(f"rq:queue:{MINI}", twice)
    redis.delete(Job.key_for(deleted))
    redis.hset(Job.key_for(canceled), "status", "canceled")

    assert hand().claim_ids(9) == [twice, good]
    assert waiting(redis) == []


def test_no_two_workers_claim_the_same_job(front: Front, hand: Hands) -> None:
    job_ids = [front.admit() for _ in range(60)]
    taken: list[list[str]] = []

    def take(worker: Hand) -> None:
        while claimed := worker.claim_ids(3):
            taken.append(claimed)

    threads = [threading.Thread(target=take, args=[hand(f"darkroom-{n}")]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(chain(*taken)) == sorted(job_ids)


def test_every_queue_comes_first_in_its_turn(front: Front, hand: Hands) -> None:
    for model in ("one", "two"):
        for _ in range(4):
            front.admit(model=model)
    worker = hand(models=("one", "two"))

    origins = [claim.job.origin for _ in range(4) for claim in worker.claim(1)]

    assert sorted(origins[:2]) == sorted(origins[2:]) == ["darkroom-one", "darkroom-two"]


def test_the_jobs_of_a_dead_worker_go_back_to_the_front_in_their_order(front: Front, redis: Redis, hand: Hands) -> None:
    job_ids = [front.admit() for _ in range(5)]
    dead, alive = hand("darkroom-dead"), hand("darkroom-alive")
    dead.claim(3)
    kept = alive.claim_ids(1)

    dead.die()

    assert sorted(alive.ledger.reap()) == sorted(job_ids[:3])
    assert waiting(redis) == [*job_ids[:3], job_ids[4]]
    assert front.find(kept[0]).status is JobStatus.RUNNING
    assert alive.ledger.reap() == []


def test_a_worker_whose_lease_ran_out_reaps_its_own_jobs_only_as_its_predecessors(front: Front, hand: Hands) -> None:
    job_id = front.admit()
    paused = hand()
    paused.claim()

    paused.die()

    assert paused.ledger.reap() == []
    paused.die()
    assert paused.ledger.reap(renews=False) == [job_id]


def test_a_stray_whose_record_cannot_be_read_can_be_failed(front: Front, redis: Redis, hand: Hands) -> None:
    job_id = front.admit()
    worker = hand()
    worker.claim()
    redis.hset(Job.key_for(job_id), "status", "lost")

    [stray] = worker.ledger.take_strays([])

    assert worker.fail(stray)
    assert front.find(job_id).status is JobStatus.FAILED


def test_a_job_whose_deaths_cannot_be_counted_goes_back_all_the_same(front: Front, redis: Redis, hand: Hands) -> None:
    job_id = front.admit()
    dead = hand("darkroom-dead")
    dead.claim()
    redis.hset(Job.key_for(job_id), "darkroom_deaths", "many")
    dead.die()

    assert hand().ledger.reap() == [job_id]
    assert waiting(redis) == [job_id]


def test_a_claim_drops_an_id_that_rq_does_not_allow(front: Front, redis: Redis, hand: Hands) -> None:
    good = front.admit()
    redis.copy(Job.key_for(good), Job.key_for("no id"))
    redis.lpush(f"rq:queue:{MINI}", "no id")

    assert hand().claim_ids(9) == [good]


def test_the_commit_of_a_worker_that_lost_its_job_is_refused(front: Front, redis: Redis, hand: Hands) -> None:
    job_id = front.admit()
    zombie, heir = hand("darkroom-zombie"), hand("darkroom-heir")
    [lost] = zombie.claim()
    zombie.die()
    heir.ledger.reap()
    [owned] = heir.claim()

    assert not zombie.finish(lost)
    assert not zombie.fail(lost)
    assert not zombie.give_back(lost)
    assert zombie.beat([lost]) == (False, [lost])
    assert front.find(job_id).status is JobStatus.RUNNING
    assert heir.finish(owned)
    record = front.find(job_id)
    assert (record.status, record.attempt) == (JobStatus.SUCCEEDED, 2)
    assert redis.xlen(f"rq:results:{job_id}") == 1


def test_a_job_ends_once(front: Front, redis: Redis, hand: Hands) -> None:
    job_id = front.admit()
    worker = hand()
    [claim] = worker.claim()

    assert worker.finish(claim)
    assert not worker.finish(claim)
    assert not worker.fail(claim)
    assert front.find(job_id).status is JobStatus.SUCCEEDED
    assert redis.xlen(f"rq:results:{job_id}") == 1


def test_other_peoples_executions_are_never_reaped(front: Front, redis: Redis, hand: Hands) -> None:
    job = Job.fetch(front.admit(), connection=redis, serializer=JSONSerializer)
    redis.lpop(f"rq:queue:{MINI}")
    with redis.pipeline() as pipeline:
        Execution.create(job, ttl=60, pipeline=pipeline, worker_name="somebody")
        job.prepare_for_execution("somebody", pipeline)
        pipeline.execute()

    assert hand().ledger.reap() == []
    assert front.find(job.id).status is JobStatus.RUNNING


def test_a_job_that_saw_two_workers_die_runs_alone(front: Front, redis: Redis, hand: Hands) -> None:
    suspect, neighbour = front.admit(), front.admit()
    redis.hset(Job.key_for(suspect), "darkroom_deaths", 2)
    worker = hand()

    assert worker.claim_ids(4, in_flight=1) == []
    assert worker.claim_ids(4, in_flight=0) == [suspect]
    assert worker.claim_ids(4, in_flight=0) == [neighbour]


def test_a_given_back_job_is_the_next_and_has_lost_nothing(front: Front, redis: Redis, hand: Hands) -> None:
    first, second = front.admit(), front.admit()
    worker = hand()
    [claim] = worker.claim()
    claim.report(7, 20)
    worker.beat([claim])

    assert worker.give_back(claim)

    record = front.find(first)
    assert waiting(redis) == [first, second]
    assert (record.status, record.attempt, record.started_at, record.progress.step) == (JobStatus.QUEUED, 0, None, 0)
    assert redis.keys("rq:execution*") == redis.keys("rq:w*") == []


def test_a_beat_writes_progress_and_keeps_the_lease(front: Front, redis: Redis, hand: Hands) -> None:
    job_id = front.admit()
    worker = hand()
    [claim] = worker.claim()
    redis.pexpire(names.lease_key("darkroom-a"), 1_000)
    claim.report(4, 20)

    assert worker.beat([claim])[1] == []

    assert front.find(job_id).progress.step == 4
    assert redis.pttl(names.lease_key("darkroom-a")) > 30_000


def test_a_beat_brings_no_deleted_job_back(front: Front, redis: Redis, hand: Hands) -> None:
    job_id = front.admit()
    worker = hand()
    [claim] = worker.claim()
    redis.delete(Job.key_for(job_id))
    claim.report(4, 20)

    assert worker.beat([claim])[1] == [claim]
    assert redis.keys("rq:job:*") == redis.keys("rq:execution*") == redis.keys("rq:wip*") == []
    assert not worker.finish(claim)


def test_rqs_own_clean_up_leaves_running_jobs_alone(front: Front, redis: Redis, hand: Hands) -> None:
    job_id = front.admit()
    hand().claim()

    Queue(MINI, connection=redis, serializer="json").started_job_registry.cleanup()

    assert front.find(job_id).status is JobStatus.RUNNING


def test_canceled_jobs_are_forgotten_with_their_records(front: Front, redis: Redis, hand: Hands) -> None:
    expired, kept = front.admit(), front.admit()
    for job_id in (expired, kept):
        front.cancel(job_id)
    redis.delete(Job.key_for(expired))

    hand().ledger.forget_canceled()

    assert Queue(MINI, connection=redis).canceled_job_registry.get_job_ids() == [kept]
