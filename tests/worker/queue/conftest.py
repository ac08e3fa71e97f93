import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.worker.queue.eventually import PATIENCE_S
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartProcess, StartWorker, Studio
from worker.queue import Claim, QueueWorker

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("worker_process.py")


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
        connection = Redis.from_url(url, socket_timeout=options.pop("socket_timeout", 5))
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
