import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.contract import names
from app.contract.settings import Settings
from tests.app.processes import wait_until
from tests.sentinels import Sentinels
from worker.redis_client import connect

SLOW = {"step_s": "0.15"}  # of ten steps: longer than the failover takes


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    sentinels = Sentinels(tmp_path)
    try:
        yield sentinels
    finally:
        sentinels.close()


@contextmanager
def running(*words: str, address: str) -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "DARKROOM_REDIS_URL": address, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def http(sentinels: Sentinels) -> Iterator[httpx.Client]:
    """A client of an API process beside a worker process, both of which know the Sentinels alone."""
    options = json.dumps({"capacity": 2, "lease_s": Settings().lease_s})
    with ExitStack() as stack:
        api = stack.enter_context(running("app.cli", "api", "--port", "0", address=sentinels.address))
        stack.enter_context(
            running("tests.worker.queue.worker_process", sentinels.address, options, address=sentinels.address)
        )
        assert api.stdout
        found = re.search(r"http://\S+", api.stdout.readline())
        assert found
        yield stack.enter_context(httpx.Client(base_url=found[0], trust_env=False, timeout=10))


def post(http: httpx.Client, **metadata: str) -> "httpx.Response":
    return http.post("/v1/jobs", json={"prompt": "a cat", "num_inference_steps": 10, "metadata": metadata})


def job(http: httpx.Client, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = http.get(f"/v1/jobs/{job_id}").json()
    return answer


def test_api_and_worker_follow_a_failover(sentinels: Sentinels, http: httpx.Client) -> None:
    first, lost = post(http, **SLOW).json()["id"], sentinels.primary()
    wait_until(lambda: job(http, first)["status"] == "running")
    with connect(sentinels.address) as redis:
        redis.set("after", "all that was written")
        assert redis.wait(1, 2_000) == 1  # replication is asynchronous

        sentinels.kill_primary()

        refused = post(http)
        assert (refused.status_code, refused.json()["code"]) == (503, "redis_unavailable")
        wait_until(lambda: http.get("/readyz").status_code == 200)
        assert sentinels.primary() != lost
        second = post(http).json()["id"]
        wait_until(lambda: job(http, second)["status"] == "succeeded")
        wait_until(lambda: job(http, first)["status"] == "succeeded")
        assert job(http, first)["attempt"] == 1
        wait_until(lambda: redis.pubsub_numsub(names.WAKE_CHANNEL) == [(names.WAKE_CHANNEL.encode(), 1)])
