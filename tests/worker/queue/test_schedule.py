"""Jobs that rq schedules: retries with intervals, and jobs for later."""

from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from rq import Queue, Retry
from rq.job import Job
from rq.scheduler import RQScheduler

from app.contract import names
from app.contract.job import JobStatus
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartProcess, StartWorker
from worker.queue import Claim

MINI = names.queue_name("mini")
SOON = timedelta(seconds=1)


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return Queue(MINI, connection=redis, serializer="json")


@pytest.fixture
def generation(front: Front, redis: Redis) -> Any:
    template = front.cancel(front.admit(metadata={"step_s": "0.001"})).id
    return Job.fetch(template, connection=redis, serializer="json").args[0]


class Failing:
    """Fails as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.runs: list[str] = []
        self._failures = failures

    def develop(self, claim: Claim) -> dict[str, Any]:
        self.runs.append(claim.job_id)
        if len(self.runs) <= self._failures:
            raise RuntimeError
        return {"images": []}


def test_a_job_that_may_be_retried_is_scheduled_and_runs_again(
    front: Front, redis: Redis, queue: Queue, generation: Any, start_worker: StartWorker
) -> None:
    failing = Failing(2)
    start_worker(failing.develop)

    job = queue.enqueue(names.JOB_FUNCTION, generation, retry=Retry(max=2, interval=[2, 0]))
    eventually(lambda: failing.runs and job.get_status() == "scheduled")
    scheduled = front.find(job.id)

    assert scheduled.status is JobStatus.QUEUED
    assert queue.scheduled_job_registry.get_job_ids() == [job.id]
    assert redis.keys("rq:wip*") == redis.keys("rq:execution*") == redis.keys("rq:results*") == []
    assert front.wait_for(job.id, JobStatus.SUCCEEDED).attempt == 3
    assert front.find(job.id).error is None


def test_a_job_that_was_retried_often_enough_fails(
    front: Front, queue: Queue, generation: Any, start_worker: StartWorker
) -> None:
    failing = Failing(9)
    start_worker(failing.develop)

    job = queue.enqueue(names.JOB_FUNCTION, generation, retry=Retry(max=1))

    assert front.wait_for(job.id, JobStatus.FAILED).attempt == 2
    assert queue.failed_job_registry.get_job_ids() == [job.id]
    assert len(job.results()) == 1


def test_jobs_for_later_run_once_each_though_every_worker_schedules_and_one_is_killed(
    front: Front, queue: Queue, generation: Any, start_process: StartProcess
) -> None:
    doomed = start_process(capacity=4)
    for _ in range(2):
        start_process(capacity=4)
    jobs = [queue.enqueue_in(SOON, names.JOB_FUNCTION, generation) for _ in range(20)]
    late = queue.enqueue_in(2 * SOON, names.JOB_FUNCTION, generation)

    eventually(lambda: len(queue.scheduled_job_registry) < 21)
    doomed.kill()

    for job in [*jobs, late]:
        front.wait_for(job.id, JobStatus.SUCCEEDED)
    assert all(len(job.results()) == 1 for job in jobs)
    assert len(queue.scheduled_job_registry) == queue.count == 0


def test_a_job_for_later_that_is_canceled_never_runs(
    front: Front, queue: Queue, generation: Any, start_worker: StartWorker
) -> None:
    canceled, other = (queue.enqueue_in(SOON, names.JOB_FUNCTION, generation) for _ in range(2))

    assert front.cancel(canceled.id).status is JobStatus.CANCELED

    assert queue.scheduled_job_registry.get_job_ids() == [other.id]
    failing = Failing(0)
    start_worker(failing.develop)
    front.wait_for(other.id, JobStatus.SUCCEEDED)
    assert failing.runs == [other.id]


def test_a_scheduler_of_rqs_own_goes_first(
    front: Front, queue: Queue, redis: Redis, generation: Any, start_worker: StartWorker
) -> None:
    failing = Failing(0)
    scheduler = RQScheduler([MINI], connection=redis)
    scheduler.acquire_locks()
    job = queue.enqueue_in(timedelta(0), names.JOB_FUNCTION, generation)

    start_worker(failing.develop)
    front.wait_for(front.admit(), JobStatus.SUCCEEDED)

    assert job.get_status() == "scheduled"
    scheduler.release_locks()

    front.wait_for(job.id, JobStatus.SUCCEEDED)
