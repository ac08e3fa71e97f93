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


def rq(url: str, *words: str) -> str:
    command = [str(Path(sys.executable).with_name("rq")), *words, "--url", url]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


def test_rq_info_tells_the_truth(
    front: Front, redis_url: str, redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    running = [front.admit() for _ in range(3)]
    worker = start_worker(studio.develop, capacity=2)
    eventually(lambda: redis.hget(worker.key, "state") == b"busy" and len(studio.seen) == 2)

    busy = rq(redis_url, "info")

    assert re.search(rf"{MINI} .* 1, 2 executing, 0 finished, 0 failed", busy)
    assert re.search(rf"{worker.name} \(.* {os.getpid()}\): busy {MINI}. jobs: 0 finished, 0 failed", busy)
    assert [(twin.name, twin.get_state()) for twin in QueueWorker.all(redis)] == [(worker.name, "busy")]
    studio.door.set()
    for job_id in running:
        front.wait_for(job_id, JobStatus.SUCCEEDED)
    Queue(MINI, connection=redis, serializer="json").enqueue("os.getpid")
    eventually(lambda: redis.hget(worker.key, "state") == b"idle" and front.counts().failed)
    idle = rq(redis_url, "info")
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


def test_rqs_commands_requeue_suspend_and_resume(
    front: Front, redis: Redis, redis_url: str, start_worker: StartWorker
) -> None:
    failures = [RuntimeError("once"), RuntimeError("and again")]

    def develop(_: Claim) -> dict[str, Any]:
        if failures:
            raise failures.pop()
        return {"images": []}

    failed = [front.admit() for _ in range(2)]
    worker = start_worker(develop)
    for job_id in failed:
        front.wait_for(job_id, JobStatus.FAILED)

    rq(redis_url, "suspend")
    eventually(lambda: redis.exists("rq:suspended"))
    rq(redis_url, "requeue", "--queue", MINI, "--all", "--serializer", "rq.serializers.JSONSerializer")
    by_queue = rq(redis_url, "info", "--by-queue")

    assert re.search(rf"{MINI}\W+2, 0 executing", by_queue)
    assert re.search(rf"{MINI}: {worker.name} ", by_queue)
    assert [front.find(job_id).status for job_id in failed] == [JobStatus.QUEUED] * 2
    rq(redis_url, "resume")
    for job_id in failed:
        assert front.wait_for(job_id, JobStatus.SUCCEEDED).attempt == 2
