import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.contract.job import JobStatus
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartWorker

ROOT = Path(__file__).parents[3]


@pytest.fixture
def hanging(redis_url: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.worker.queue.hanging_worker", redis_url, "1.0"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_a_worker_whose_engine_hangs_ends_and_another_develops_its_jobs(
    front: Front, hanging: "subprocess.Popen[str]", start_worker: StartWorker
) -> None:
    job_ids = [front.admit() for _ in range(3)]
    eventually(lambda: front.counts().running == 3)

    _, said = hanging.communicate(timeout=20)
    start_worker(lambda _: {"images": []})

    assert hanging.returncode == 1
    assert "is broken and ends: The engine has made no step for 1 s." in said
    assert {front.wait_for(job_id, JobStatus.SUCCEEDED).attempt for job_id in job_ids} == {2}
