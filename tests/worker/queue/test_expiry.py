"""What has ended is forgotten when its retention is over: the record, the result and the place in a registry."""

import time
from typing import Any, cast

import pytest
from redis import Redis
from rq.command import send_stop_job_command
from rq.job import Job
from rq.results import Result

from app.contract import names
from app.contract.job import JobStatus
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartWorker
from worker.queue import Claim

ENDS = {"succeeds": JobStatus.SUCCEEDED, "fails": JobStatus.FAILED, "stops": JobStatus.FAILED, "dies": JobStatus.FAILED}


def develop(claim: Claim) -> dict[str, Any]:
    if claim.job_id == "fails":
        raise RuntimeError
    while claim.job_id == "stops":
        if claim.is_stopped:
            raise InterruptedError
        time.sleep(0.01)
    return {"images": []}


def end_all(front: Front, redis: Redis, start_worker: StartWorker) -> None:
    front.cancel(front.admit("canceled"))
    for job_id in ENDS:
        front.admit(job_id)
    redis.hset(Job.key_for("dies"), "darkroom_deaths", 3)
    start_worker(develop)
    front.wait_for("stops", JobStatus.RUNNING)
    send_stop_job_command(redis, "stops", serializer="json")
    for job_id, status in ENDS.items():
        front.wait_for(job_id, status)


def test_every_ended_job_is_kept_for_the_retention(front: Front, redis: Redis, start_worker: StartWorker) -> None:
    end_all(front, redis, start_worker)

    kept = [*map(Job.key_for, [*ENDS, "canceled"]), *map(Result.get_key, ENDS)]
    assert {key: 590 < redis.ttl(key) <= 600 for key in kept} == dict.fromkeys(kept, True)


def test_nothing_is_left_of_ended_jobs_after_it(
    front: Front, redis: Redis, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.queue.upkeep.TIDY_S", 0.1)
    end_all(front, redis, start_worker)
    registries = [f"rq:{kind}:{names.queue_name('mini')}" for kind in ("finished", "failed", "canceled")]
    assert redis.exists(*registries) == 3

    for key in [*map(Job.key_for, [*ENDS, "canceled"]), *map(Result.get_key, ENDS)]:
        redis.pexpire(key, 1)
    for registry in registries[:2]:
        redis.zadd(registry, dict.fromkeys(cast(list[bytes], redis.zrange(registry, 0, -1)), 1))

    eventually(lambda: redis.exists(*registries) == 0)
    assert [key for pattern in ("rq:job:*", "rq:results:*") for key in redis.keys(pattern)] == []
