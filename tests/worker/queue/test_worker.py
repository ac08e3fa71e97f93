import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.results import Result
from rq.suspension import resume, suspend

from app.contract import names
from app.contract.announcement import Announcement
from app.contract.job import Development, JobStatus
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartWorker, Studio
from worker.queue import Claim, QueueWorker
from worker.queue.ledger import Ledger

MINI = names.queue_name("mini")


def fetch(redis: Redis, job_id: str) -> Job:
    return Job.fetch(job_id, connection=redis, serializer="json")


def test_a_job_is_developed_and_its_result_kept(front: Front, start_worker: StartWorker) -> None:
    job_id = front.admit()

    start_worker(lambda claim: {"images": [], "warnings": [claim.generation.prompt]})

    record = front.wait_for(job_id, JobStatus.SUCCEEDED)
    assert record.development == Development(images=[], warnings=["a cat wearing a space helmet"])
    assert record.attempt == 1
    assert record.started_at
    assert record.ended_at
    assert record.created_at < record.started_at < record.ended_at


def test_a_running_job_shows_its_progress(front: Front, start_worker: StartWorker, studio: Studio) -> None:
    job_id = front.admit()
    start_worker(studio.develop)
    eventually(lambda: studio.seen)

    studio.seen[0].report(3, 20)

    eventually(lambda: front.find(job_id).progress.step == 3)
    assert front.find(job_id).status is JobStatus.RUNNING
    assert front.counts().running == 1


def test_a_worker_is_at_work_from_its_entry_until_it_is_asked_to_stop(
    front: Front, start_worker: StartWorker, studio: Studio, redis: Redis
) -> None:
    assert not QueueWorker(["mini"], connection=redis).is_at_work
    front.admit()
    worker = start_worker(studio.develop)
    eventually(lambda: worker.is_at_work and studio.seen)

    worker.request_stop()

    assert not worker.is_at_work


def test_a_finished_job_shows_the_last_step_that_it_reported(front: Front, start_worker: StartWorker) -> None:
    def develop(claim: Claim) -> dict[str, Any]:
        claim.report(19, 19)
        return {"images": []}

    job_id = front.admit()
    start_worker(develop)

    progress = front.wait_for(job_id, JobStatus.SUCCEEDED).progress
    assert (progress.step, progress.total_steps) == (19, 19)


def test_a_worker_develops_as_many_jobs_at_once_as_it_has_room_for(
    front: Front, start_worker: StartWorker, studio: Studio
) -> None:
    job_ids = [front.admit() for _ in range(5)]
    start_worker(studio.develop, capacity=3)

    eventually(lambda: len(studio.seen) == 3)
    time.sleep(0.3)  # time enough to take a fourth

    assert {claim.job_id for claim in studio.seen} == set(job_ids[:3])
    assert front.counts().queued == 2
    studio.door.set()
    for job_id in job_ids:
        front.wait_for(job_id, JobStatus.SUCCEEDED)


def test_an_admitted_job_wakes_an_idle_worker(
    front: Front, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.queue.worker.POLL_S", 3_600.0)
    worker = start_worker(lambda _: {"images": []})
    eventually(lambda: worker.pubsub_thread)

    job_id = front.admit()

    front.wait_for(job_id, JobStatus.SUCCEEDED)


def test_a_canceled_job_is_never_developed(front: Front, start_worker: StartWorker, studio: Studio) -> None:
    canceled, other = front.admit(), front.admit()
    front.cancel(canceled)

    studio.door.set()
    start_worker(studio.develop)

    front.wait_for(other, JobStatus.SUCCEEDED)
    assert [claim.job_id for claim in studio.seen] == [other]


def test_a_running_job_that_is_canceled_is_stopped_and_its_result_refused(
    front: Front, redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    job_id = front.admit()
    worker = start_worker(studio.develop)
    eventually(lambda: studio.seen)

    canceled = front.cancel(job_id)

    eventually(lambda: studio.stopped == [job_id])
    studio.door.set()
    eventually(lambda: not worker.claims)
    assert front.find(job_id) == canceled
    assert canceled.status is JobStatus.CANCELED
    assert not redis.exists(Result.get_key(job_id))


def test_a_running_job_that_is_canceled_does_not_wait_for_a_beat(
    front: Front, start_worker: StartWorker, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = front.admit()
    start_worker(studio.develop, lease_s=60)
    eventually(lambda: studio.seen)
    monkeypatch.setattr("worker.queue.worker.BUSY_BEAT_S", 3_600.0)
    time.sleep(0.6)  # the last beat for an hour

    front.cancel(job_id)

    eventually(lambda: studio.stopped == [job_id])


@pytest.mark.parametrize("act", [Job.cancel, Job.delete])
def test_what_rq_cancels_or_deletes_is_stopped_and_leaves_nothing_behind(
    front: Front, redis: Redis, start_worker: StartWorker, studio: Studio, act: Any
) -> None:
    job_id = front.admit()
    worker = start_worker(studio.develop)
    eventually(lambda: studio.seen)

    act(fetch(redis, job_id))

    eventually(lambda: studio.stopped == [job_id])
    studio.door.set()
    eventually(lambda: not worker.claims)
    assert redis.exists(Job.key_for(job_id)) == (act is Job.cancel)
    assert redis.keys("rq:execution*") == redis.keys("rq:wip*") == redis.keys("rq:results*") == []


def test_a_job_whose_claim_was_never_answered_is_developed_all_the_same(
    front: Front, redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    worker = start_worker(studio.develop, capacity=1)
    blocker = front.admit()
    eventually(lambda: studio.seen)
    lost = front.admit()

    Ledger(redis, worker.name, worker.queues, 1.0).claim(1, 0)
    studio.door.set()

    eventually(lambda: [claim.job_id for claim in studio.seen] == [blocker, lost])
    assert front.wait_for(lost, JobStatus.SUCCEEDED).attempt == 1


def test_a_worker_that_comes_late_to_renew_its_lease_keeps_the_jobs_that_nobody_took(
    front: Front, start_worker: StartWorker, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for beat in ("BUSY_BEAT_S", "IDLE_BEAT_S"):
        monkeypatch.setattr(f"worker.queue.worker.{beat}", 3_600.0)  # as after a pause: the main thread is first
    job_id = front.admit()
    start_worker(studio.develop, capacity=1)  # with room for more it would claim, and renew its lease by that
    eventually(lambda: studio.seen)

    time.sleep(2.5)  # time enough to reap twice

    studio.door.set()
    assert front.wait_for(job_id, JobStatus.SUCCEEDED).attempt == 1
    assert len(studio.seen) == 1


def test_a_worker_counts_the_death_of_its_predecessor_of_the_same_name(
    front: Front, redis: Redis, start_worker: StartWorker
) -> None:
    job_id = front.admit()
    Ledger(redis, "darkroom-again", QueueWorker(["mini"], connection=redis).queues, lease_s=60).claim(1, 0)
    redis.delete(names.lease_key("darkroom-again"))

    start_worker(lambda _: {"images": []}, name="darkroom-again")

    assert front.wait_for(job_id, JobStatus.SUCCEEDED).attempt == 2
    assert redis.hget(Job.key_for(job_id), "darkroom_deaths") == b"1"


def test_a_job_that_saw_two_workers_die_has_its_next_worker_to_itself(
    front: Front, redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    suspect, neighbour = front.admit(), front.admit()
    redis.hset(Job.key_for(suspect), "darkroom_deaths", 2)

    start_worker(studio.develop)
    eventually(lambda: studio.seen)
    time.sleep(0.5)  # time enough to take the neighbour

    assert [claim.job_id for claim in studio.seen] == [suspect]
    studio.door.set()
    front.wait_for(neighbour, JobStatus.SUCCEEDED)


def test_suspended_workers_claim_nothing(front: Front, redis: Redis, start_worker: StartWorker, studio: Studio) -> None:
    suspend(redis)
    job_id = front.admit()
    studio.door.set()
    start_worker(studio.develop)
    time.sleep(0.5)

    assert studio.seen == []
    resume(redis)
    front.wait_for(job_id, JobStatus.SUCCEEDED)


def test_a_stopping_worker_finishes_what_it_has_and_takes_nothing_new(
    front: Front, start_worker: StartWorker, studio: Studio
) -> None:
    running = front.admit()
    worker = start_worker(studio.develop, grace_s=10.0)
    eventually(lambda: studio.seen)

    worker.request_stop()
    waiting = front.admit()
    threading.Timer(0.3, studio.door.set).start()

    front.wait_for(running, JobStatus.SUCCEEDED)
    eventually(lambda: not front.announcements())
    assert front.find(waiting).status is JobStatus.QUEUED


def test_what_does_not_end_in_time_goes_back_to_the_front_without_a_lost_attempt(
    front: Front, redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    job_ids = [front.admit() for _ in range(4)]
    worker = start_worker(studio.develop, capacity=3)
    eventually(lambda: len(studio.seen) == 3)

    worker.request_stop()

    eventually(lambda: len(studio.stopped) == 3)
    assert Queue(MINI, connection=redis).job_ids == job_ids
    assert {front.find(job_id).attempt for job_id in job_ids} == {0}
    studio.door.set()
    start_worker(studio.develop)
    assert {front.wait_for(job_id, JobStatus.SUCCEEDED).attempt for job_id in job_ids} == {1}


def test_a_live_worker_announces_itself_until_it_leaves(front: Front, start_worker: StartWorker) -> None:
    announcement = Announcement(
        worker="darkroom-told",
        started_at=datetime.now(UTC),
        device="cpu",
        dtype="float32",
        capacity=4,
        running=0,
        models=["mini"],
        modules=[],
        never_stacked=[],
    )

    worker = start_worker(lambda _: {"images": []}, name="darkroom-told", announce=lambda: announcement)

    eventually(lambda: front.announcements() == [announcement])
    worker.request_stop()
    eventually(lambda: front.announcements() == [])


def test_a_worker_of_a_name_that_is_never_reaped_does_not_start(redis: Redis) -> None:
    with pytest.raises(ValueError, match="darkroom-"):
        QueueWorker(["mini"], "somebody", connection=redis).work()
