"""rq's own tools and rq's own worker, beside ours."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from redis import Redis
from rq import Queue, SimpleWorker
from rq.job import Job

from app.contract import names
from app.contract.job import JobStatus
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartWorker, Studio
from worker.queue import Claim, QueueWorker

MINI = names.queue_name("mini")
OF_THE_RUN = {
    *("created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat", "birth", "death"),
    *("execution_id", "execution_started_at", "execution_ended_at", "total_working_time", "exc_string", "state"),
}


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


@pytest.mark.parametrize("fails", [False, True])
def test_a_job_leaves_the_same_keys_as_with_rqs_own_worker(
    front: Front, redis: Redis, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    def develop(_: Any) -> dict[str, Any]:
        if fails:
            raise RuntimeError
        return {"images": [], "warnings": [], "timings": {}}

    twin = ModuleType("darkroom_twin")
    monkeypatch.setattr(twin, "develop", develop, raising=False)
    monkeypatch.setitem(sys.modules, "darkroom_twin", twin)
    monkeypatch.setattr(names, "JOB_FUNCTION", "darkroom_twin.develop")
    monkeypatch.setattr(SimpleWorker, "_install_signal_handlers", lambda _: None)

    front.admit("twin")
    SimpleWorker([MINI], "darkroom-twin", connection=redis, serializer="json").work(burst=True)
    theirs = snapshot(redis)
    redis.flushall()
    front.admit("twin")
    worker = start_worker(develop, name="darkroom-twin")
    front.wait_for("twin", JobStatus.FAILED if fails else JobStatus.SUCCEEDED)
    worker.request_stop()
    eventually(lambda: redis.hexists(worker.key, "death") and not redis.exists(names.lease_key(worker.name)))
    ours = snapshot(redis)

    ours["rq:job:twin"].pop("meta", None)  # the error's code
    assert ours["rq:job:twin"].pop("darkroom_attempt") == b"1"
    assert ours == theirs


def snapshot(redis: Redis) -> dict[str, Any]:
    """Every key with all that two runs of one job have in common; strings are the locks of rq's maintenance."""
    client = cast(Any, redis)
    read: dict[bytes, Callable[[bytes], Any]] = {
        b"hash": lambda key: stable(client.hgetall(key)),
        b"stream": lambda key: [stable(fields) for _, fields in client.xrange(key)],
        b"zset": lambda key: [(member, soon(score)) for member, score in client.zrange(key, 0, -1, withscores=True)],
        b"set": client.smembers,
    }
    kinds = {key: client.type(key) for key in client.scan_iter()}
    return {
        key.decode() + aspect: value
        for key, kind in kinds.items()
        if kind != b"string"
        for aspect, value in (("", read[kind](key)), (" expires", round(client.ttl(key), -1)))
    }


def soon(moment: float) -> float:
    return round(moment - time.time(), -1)


def stable(fields: dict[bytes, bytes]) -> dict[str, Any]:
    return {name.decode(): value if name.decode() not in OF_THE_RUN else bool(value) for name, value in fields.items()}
