import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq.job import Job

from app.contract.job import JobStatus
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand

ROOT = Path(__file__).parents[2]


@pytest.fixture
def keeper(redis_url: str) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, "DARKROOM_REDIS_URL": redis_url, "DARKROOM_LEASE_S": "1"}
    with subprocess.Popen([sys.executable, "-m", "worker.keeper"], env=environment, cwd=ROOT) as process:
        yield process
        process.kill()


def test_without_a_worker_the_keeper_gives_jobs_back_and_fails_the_poisoned(
    redis_url: str, redis: Redis, keeper: "subprocess.Popen[bytes]"
) -> None:
    front = Front(redis_url)
    poison, innocent, waiting = (front.admit() for _ in range(3))
    doomed = Hand(redis, "darkroom-doomed", ["mini"])
    doomed.claim(2)
    redis.hset(Job.key_for(poison), "darkroom_deaths", 2)

    doomed.die()

    assert front.error_of(poison).code == "worker_lost"
    assert front.find(poison).attempt == 1
    assert [front.find(job_id).status for job_id in (innocent, waiting)] == [JobStatus.QUEUED] * 2
    assert redis.lrange("rq:queue:darkroom-mini", 0, -1) == [innocent.encode(), waiting.encode()]
    assert front.announcements() == []
    keeper.terminate()
    assert keeper.wait(10) == 0
    assert redis.keys("rq:wip*") == redis.keys("rq:execution*") == redis.keys("darkroom:lease*") == []


def test_the_keeper_needs_no_torch() -> None:
    program = "import sys, worker.keeper; print('torch' in sys.modules)"

    seen = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert seen.stdout.strip() == "False"
