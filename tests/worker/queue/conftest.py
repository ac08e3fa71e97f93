import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis.asyncio
from redis import Redis

from app.contract.announcement import Announcement
from app.contract.generation import Generation, Output
from app.contract.job import JobRecord, JobStatus
from app.contract.job_store import JobStore, QueueCounts
from worker.queue import Claim, QueueWorker

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("worker_process.py")
PATIENCE_S = 15.0
STEPS = 20

Answer = TypeVar("Answer")


def wait_until(holds: Callable[[], object]) -> None:
    """Waits until it holds, and fails if it never does."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, "It never came to hold."
        time.sleep(0.01)


class Front:
    """The API's side of the queue, for tests that are not asynchronous."""

    def __init__(self, url: str) -> None:
        self._url = url

    def admit(self, job_id: str | None = None, **changes: Any) -> str:
        fields: dict[str, Any] = {
            "model": "mini",
            "prompt": "a cat wearing a space helmet",
            "negative_prompt": "",
            "width": 128,
            "height": 128,
            "num_images": 1,
            "num_inference_steps": STEPS,
            "guidance_scale": 5.0,
            "seed": 7,
            "scheduler": "DDIMScheduler",
            "output": Output(),
            "metadata": {},
        }
        generation = Generation(**{**fields, **changes})
        return self._ask(lambda store: store.admit(generation, job_id)).id

    def find(self, job_id: str) -> JobRecord:
        return self._ask(lambda store: store.find(job_id))

    def cancel(self, job_id: str) -> JobRecord:
        return self._ask(lambda store: store.cancel(job_id))

    def announcements(self) -> list[Announcement]:
        return self._ask(lambda store: store.announcements())

    def counts(self) -> QueueCounts:
        return self._ask(lambda store: store.counts(["mini"]))["mini"]

    def wait_for(self, job_id: str, status: JobStatus) -> JobRecord:
        wait_until(lambda: self.find(job_id).status is status)
        return self.find(job_id)

    def _ask(self, question: Callable[[JobStore], Awaitable[Answer]]) -> Answer:
        async def ask() -> Answer:
            async with redis.asyncio.Redis.from_url(self._url) as client:
                return await question(JobStore(client, max_queued=1_000, retention_s=600, job_timeout_s=60))

        return asyncio.run(ask())


class Studio:
    """What the workers of a test develop with: jobs stay in it until the test lets them go."""

    def __init__(self) -> None:
        self.seen: list[Claim] = []
        self.stopped: list[str] = []
        self.door = threading.Event()

    def develop(self, claim: Claim) -> dict[str, Any]:
        self.seen.append(claim)
        claim.when_lost(lambda: self.stopped.append(claim.job_id))
        assert self.door.wait(PATIENCE_S)
        return {"images": []}


StartWorker = Callable[..., QueueWorker]
StartProcess = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    return wait_until


@pytest.fixture
def front(redis_url: str) -> Front:
    return Front(redis_url)


@pytest.fixture
def studio() -> Iterator[Studio]:
    studio = Studio()
    yield studio
    studio.door.set()


@pytest.fixture
def start_worker(redis_url: str) -> Iterator[StartWorker]:
    """Starts workers in threads, and stops them after the test; an option may name another Redis."""
    started = []

    def start(develop: Callable[[Claim], dict[str, Any]], *, url: str = redis_url, **options: Any) -> QueueWorker:
        connection = Redis.from_url(url, socket_timeout=5)
        settings: dict[str, Any] = {"models": ["mini"], "capacity": 4, "lease_s": 0.6, "grace_s": 0.0, **options}
        worker = QueueWorker(connection=connection, develop=develop, **settings)
        thread = threading.Thread(target=worker.work)
        thread.start()
        started.append((worker, thread, connection))
        return worker

    yield start
    for worker, _, _ in started:
        worker.request_stop()
    for _, thread, connection in started:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        connection.close()


@pytest.fixture
def start_process(redis_url: str) -> Iterator[StartProcess]:
    """Starts workers in processes of their own, and kills them after the test."""
    started = []

    def start(**options: Any) -> "subprocess.Popen[bytes]":
        command = [sys.executable, str(PROGRAM), redis_url, json.dumps({"lease_s": 0.6, **options})]
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
