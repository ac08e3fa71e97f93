import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app.listener import listen
from tests.app.processes import wait_until

ROOT = Path(__file__).parents[2]
REQUEST = b"GET /livez HTTP/1.1\r\nHost: darkroom\r\n\r\n"


@pytest.fixture
def api(redis_url: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A process of the API and its port; nobody else holds the socket."""
    environment = {**os.environ, "DARKROOM_REDIS_URL": redis_url}
    with listen("127.0.0.1", 0) as listener:
        command = [sys.executable, "-m", "app.server", str(listener.fileno())]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[listener.fileno()])
        port = int(listener.getsockname()[1])
    httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False, timeout=20).raise_for_status()
    yield process, port
    process.kill()
    process.wait()


def test_a_stopping_api_answers_who_has_connected_and_refuses_who_comes_later(
    api: tuple["subprocess.Popen[bytes]", int],
) -> None:
    process, port = api

    with socket.create_connection(("127.0.0.1", port), timeout=10) as early:
        time.sleep(0.1)  # it is accepted
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(port))
        early.sendall(REQUEST)
        answer = early.recv(4_096)

    assert answer.startswith(b"HTTP/1.1 200")
    assert process.wait(10) == 0


def test_an_api_does_not_wait_for_ever_for_a_request_that_does_not_come(
    api: tuple["subprocess.Popen[bytes]", int],
) -> None:
    process, port = api

    with socket.create_connection(("127.0.0.1", port)):
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0


def test_an_api_that_stops_sends_away_who_follows_a_job_and_answers_who_waits_for_one(
    api: tuple["subprocess.Popen[bytes]", int],
) -> None:
    process, port = api
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as http:
        job = http.post("/v1/jobs", json={"prompt": "a cat"}).json()
        with ThreadPoolExecutor(1) as waiting, http.stream("GET", job["urls"]["events"]) as answer:
            lines = answer.iter_lines()
            assert "event: queued" in lines
            waits = waiting.submit(http.get, job["urls"]["self"], params={"wait": 60})
            time.sleep(0.2)

            process.send_signal(signal.SIGTERM)

            assert [line for line in lines if line.startswith("event")] == []
            assert waits.result().json()["status"] == "queued"
    assert process.wait(5) == 0


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False
