import logging
import sys
from typing import Any

import pytest
from redis import Redis
from rq import Callback, Queue
from rq.job import Job

from app.contract import names
from app.contract.errors import OutOfMemory
from app.contract.job import JobStatus
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartWorker, Studio
from worker.queue import Claim

MINI = names.queue_name("mini")


def fetch(redis: Redis, job_id: str) -> Job:
    return Job.fetch(job_id, connection=redis, serializer="json")


def written(redis: Redis, queue: Queue, arguments: Any) -> Job:
    """A job whose arguments are no list."""
    job = Job.create(names.JOB_FUNCTION, connection=redis, serializer="json")
    job._args = arguments
    return queue.enqueue_job(job)


def test_a_failure_is_told_by_its_code_and_message(front: Front, start_worker: StartWorker) -> None:
    def develop(claim: Claim) -> dict[str, Any]:
        raise OutOfMemory(f"Too large: {claim.generation.width} pixels.")

    job_id = front.admit()
    start_worker(develop)

    error = front.error_of(job_id)
    assert (error.code, error.message) == ("out_of_memory", "Too large: 128 pixels.")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_fault_of_ours_is_told_without_its_cause_and_kept_without_the_prompt(
    front: Front, redis: Redis, start_worker: StartWorker, error: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def develop(claim: Claim) -> dict[str, Any]:
        raise error(f"a wire came off at {claim.generation.prompt!r}")

    job_id = front.admit(prompt='my "secret"\nwish')
    with caplog.at_level(logging.DEBUG):
        start_worker(develop)
        told = front.error_of(job_id)

    result = fetch(redis, job_id).latest_result()
    kept = str(result and result.exc_string)
    assert told.code == "internal"
    assert "wire" not in told.message
    assert "a wire came off" in kept
    assert "secret" not in kept + caplog.text


def test_an_unwritable_result_fails_the_job(front: Front, start_worker: StartWorker) -> None:
    job_id = front.admit()

    start_worker(lambda _: {"images": object()})

    assert front.error_of(job_id).code == "internal"


def test_a_job_that_is_not_one_of_ours_is_refused(
    front: Front, redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    generation = fetch(redis, front.cancel(front.admit()).id).args
    queue = Queue(MINI, connection=redis, serializer="json")
    jobs = [
        queue.enqueue("worker.task.other", *generation),
        queue.enqueue(names.JOB_FUNCTION, {"prompt": "a"}),
        queue.enqueue(names.JOB_FUNCTION, "a"),
        queue.enqueue(names.JOB_FUNCTION),
        written(redis, queue, {"0": generation[0]}),
        written(redis, queue, 5),
        Queue(MINI, connection=redis).enqueue(names.JOB_FUNCTION, *generation),  # pickled
    ]

    start_worker(studio.develop)

    eventually(lambda: all(job.get_status() == "failed" for job in jobs))
    assert studio.seen == []


@pytest.mark.parametrize("field", ["created_at", "timeout", "origin", "darkroom_attempt", "darkroom_deaths"])
def test_a_job_whose_record_cannot_be_read_fails_and_its_neighbours_go_on(
    front: Front, redis: Redis, start_worker: StartWorker, field: str
) -> None:
    before, unreadable, after = (front.admit() for _ in range(3))
    redis.hset(Job.key_for(unreadable), field, b"\xff")

    worker = start_worker(lambda _: {"images": []})

    for neighbour in (before, after):
        front.wait_for(neighbour, JobStatus.SUCCEEDED)
    if field != "origin":  # which is the queue that the job was taken from
        eventually(lambda: redis.hget(Job.key_for(unreadable), "status") == b"failed")
        assert front.error_of(unreadable).message == "The job's record cannot be read."
        assert fetch(redis, unreadable).failed_job_registry.get_job_ids() == [unreadable]
    eventually(lambda: not worker.claims)
    assert redis.keys("rq:wip*") == redis.keys("rq:execution*") == []


def test_a_failure_that_cannot_be_written_down_fails_the_job_all_the_same(
    front: Front, start_worker: StartWorker
) -> None:
    def develop(_: Claim) -> dict[str, Any]:
        raise OutOfMemory("\ud800")

    job_id = front.admit()
    worker = start_worker(develop)

    assert front.error_of(job_id).code == "generation_failed"
    eventually(lambda: not worker.claims)


def test_callbacks_that_redis_names_are_never_imported(front: Front, redis: Redis, start_worker: StartWorker) -> None:
    template = fetch(redis, front.admit())
    job = Queue(MINI, connection=redis, serializer="json").enqueue(
        names.JOB_FUNCTION, *template.args, on_success=Callback("antigravity.fly"), on_failure=Callback("this.c")
    )

    start_worker(lambda _: {"images": []})

    eventually(lambda: job.get_status() == "finished")
    assert not {"antigravity", "this"} & set(sys.modules)


def test_a_job_whose_thread_came_to_no_end_is_taken_up_again(front: Front, start_worker: StartWorker) -> None:
    unwritable: list[Any] = [5]

    def develop(claim: Claim) -> dict[str, Any]:
        if unwritable:
            claim.job.meta = unwritable.pop()
            raise RuntimeError
        return {"images": []}

    job_id = front.admit()
    worker = start_worker(develop)

    front.wait_for(job_id, JobStatus.SUCCEEDED)
    eventually(lambda: not worker.claims)
