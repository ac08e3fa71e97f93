"""rq's own tools and rq's own worker, beside ours."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Queue
from rq.job import Job

from app.contract import names
from app.contract.job import JobStatus
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartWorker, Studio
from worker.queue import Claim, QueueWorker

MINI = names.queue_name("mini")


def info(url: str) -> str:
    command = [str(Path(sys.executable).with_name("rq")), "info", "--url", url]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


def test_rq_info_tells_the_truth(
    front: Front, redis_url: str, redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    running = [front.admit() for _ in range(3)]
    worker = start_worker(studio.develop, capacity=2)
    eventually(lambda: redis.hget(worker.key, "state") == b"busy" and len(studio.seen) == 2)

    busy = info(redis_url)

    assert re.search(rf"{MINI} .* 1, 2 executing, 0 finished, 0 failed", busy)
    assert re.search(rf"{worker.name} \(.* {os.getpid()}\): busy {MINI}. jobs: 0 finished, 0 failed", busy)
    assert [(twin.name, twin.get_state()) for twin in QueueWorker.all(redis)] == [(worker.name, "busy")]
    studio.door.set()
    for job_id in running:
        front.wait_for(job_id, JobStatus.SUCCEEDED)
    Queue(MINI, connection=redis, serializer="json").enqueue("os.getpid")
    eventually(lambda: redis.hget(worker.key, "state") == b"idle" and front.counts().failed)
    idle = info(redis_url)
    assert re.search(rf"{MINI} .* 0, 0 executing, 3 finished, 1 failed", idle)
    assert re.search(rf"{worker.name} \(.*\): idle {MINI}. jobs: 3 finished, 1 failed", idle)


def test_rq_requeues_a_job_that_failed_here_and_it_runs_as_if_new(
    front: Front, redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    failures = [RuntimeError("once")]

    def develop(claim: Claim) -> dict[str, Any]:
        if failures:
            claim.report(9, 20)
            raise failures.pop()
        return studio.develop(claim)

    job_id = front.admit()
    start_worker(develop)
    front.wait_for(job_id, JobStatus.FAILED)
    job = Job.fetch(job_id, connection=redis, serializer="json")

    job.requeue()

    running = front.wait_for(job_id, JobStatus.RUNNING)
    assert (running.attempt, running.progress.step) == (2, 0)
    assert redis.ttl(job.key) == -1
    studio.door.set()
    assert front.wait_for(job_id, JobStatus.SUCCEEDED).error is None
