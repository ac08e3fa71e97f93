"""rq's commands to a worker, sent as rq sends them."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from rq.command import (
    send_command,
    send_kill_horse_command,
    send_shutdown_command,
    send_stop_execution_command,
    send_stop_job_command,
)
from rq.job import Job
from rq.results import Result
from rq.suspension import resume, suspend

from app.contract import names
from app.contract.job import JobStatus
from tests.worker.queue.eventually import PATIENCE_S, eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartWorker, Studio
from worker.queue import Claim


def stop_job(redis: Redis, claim: Claim) -> None:
    send_stop_job_command(redis, claim.job_id, serializer="json")


def stop_execution(redis: Redis, claim: Claim) -> None:
    send_stop_execution_command(redis, claim.job_id, claim.execution_id)


class Steps:
    """Develops in steps for ever, as an engine that looks after each one whether it is to go on."""

    def __init__(self) -> None:
        self.seen: list[Claim] = []

    def develop(self, claim: Claim) -> dict[str, Any]:
        aborted = threading.Event()
        claim.when_lost(aborted.set)
        self.seen.append(claim)
        assert aborted.wait(PATIENCE_S)
        raise InterruptedError


@pytest.mark.parametrize("stop", [stop_job, stop_execution])
def test_a_job_that_is_stopped_ends_as_rq_ends_it_and_its_neighbour_goes_on(
    front: Front, redis: Redis, start_worker: StartWorker, stop: Callable[[Redis, Claim], None]
) -> None:
    steps = Steps()
    stopped, neighbour = front.admit(), front.admit()
    worker = start_worker(steps.develop, lease_s=60)
    eventually(lambda: len(steps.seen) == 2)

    stop(redis, next(claim for claim in steps.seen if claim.job_id == stopped))

    error = front.error_of(stopped)
    assert (error.code, error.message) == ("job_stopped", "The job was stopped.")
    job = Job.fetch(stopped, connection=redis, serializer="json")
    assert job.get_status() == "stopped"
    assert job.failed_job_registry.get_job_ids() == [stopped]
    [result] = job.results()
    assert result.type is Result.Type.FAILED
    assert [claim.job_id for claim in worker.claims.values()] == [neighbour]
    assert front.find(neighbour).status is JobStatus.RUNNING
    front.cancel(neighbour)


def test_a_command_for_another_job_or_that_makes_no_sense_changes_nothing(
    front: Front, redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    job_id = front.admit()
    worker = start_worker(studio.develop)
    eventually(lambda: studio.seen)

    send_command(redis, worker.name, "stop-job", job_id="another")
    send_command(redis, worker.name, "stop-execution")
    send_kill_horse_command(redis, worker.name)
    redis.publish(worker.pubsub_channel_name, b"\xff")
    redis.publish(names.WAKE_CHANNEL, b"\xff")

    studio.door.set()
    front.wait_for(job_id, JobStatus.SUCCEEDED)
    assert worker.pubsub_thread
    assert worker.pubsub_thread.is_alive()
    assert studio.stopped == []


def test_the_shutdown_command_drains(front: Front, redis: Redis, start_worker: StartWorker, studio: Studio) -> None:
    running = front.admit()
    worker = start_worker(studio.develop, grace_s=10.0)
    eventually(lambda: studio.seen)

    send_shutdown_command(redis, worker.name)
    eventually(lambda: worker._is_stopping)
    waiting = front.admit()
    studio.door.set()

    front.wait_for(running, JobStatus.SUCCEEDED)
    eventually(lambda: redis.hexists(worker.key, "death"))
    assert front.find(waiting).status is JobStatus.QUEUED


def test_suspended_workers_finish_what_they_have_and_go_on_when_they_are_resumed(
    front: Front, redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    running = front.admit()
    start_worker(studio.develop)
    eventually(lambda: studio.seen)

    suspend(redis)
    waiting = front.admit()
    studio.door.set()
    front.wait_for(running, JobStatus.SUCCEEDED)

    assert front.find(waiting).status is JobStatus.QUEUED
    resume(redis)
    front.wait_for(waiting, JobStatus.SUCCEEDED)
