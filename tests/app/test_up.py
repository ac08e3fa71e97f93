import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.contract import names
from tests.app.processes import is_alive, wait_until


class Up:
    """A `darkroom up` in a process of its own."""

    def __init__(self, state_dir: Path) -> None:
        command = [sys.executable, "-m", "tests.app.small_up", str(state_dir)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self.socket = state_dir / "redis.sock"
        assert self.process.stdout
        self.said = self.process.stdout.readline()
        url = self.said.split()[-1] if "listening" in self.said else "http://nowhere"
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=20)

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def child(self, program: str) -> int:
        """The process of this child once it runs what it is for."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [
                pid for pid in self.children() if program in commandline(pid) and "leash" not in commandline(pid)
            ]
            return bool(found)

        wait_until(look)
        return found[0]

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[[], Up]]:
    started: list[Up] = []

    def start() -> Up:
        started.append(Up(tmp_path / "state"))
        return started[-1]

    yield start
    for each in started:
        each.http.close()
        with each.process:  # closes its pipe, if the test has not
            each.process.kill()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_everything_ends_with_up_and_its_jobs_are_there_the_next_time(
    up: Callable[[], Up], ending: signal.Signals
) -> None:
    first = up()
    job = first.http.post("/v1/jobs", json={"prompt": "a cat"}).json()
    children = first.children()
    assert len(children) == 5

    first.stop(ending)
    second = up()

    assert second.http.get(job["urls"]["self"]).json() == job
    wait_until(lambda: not any(map(is_alive, children)))


def test_up_goes_on_and_can_be_stopped_when_nobody_reads_what_it_says(up: Callable[[], Up]) -> None:
    service = up()
    worker = service.child("signal.pause")
    assert service.process.stdout
    service.process.stdout.close()

    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not is_alive(worker))
    assert is_alive(service.child("signal.pause"))
    children = service.children()

    assert service.stop(signal.SIGTERM) == 0
    assert not any(map(is_alive, children))


def test_a_second_up_in_the_same_folder_is_refused(up: Callable[[], Up]) -> None:
    first, second = up(), up()

    assert "Another Darkroom runs in" in second.said
    assert second.process.wait(20) == 1
    assert first.http.get("/readyz").status_code == 200


def test_the_service_outlives_its_api_and_its_redis(up: Callable[[], Up]) -> None:
    service = up()
    job = service.http.post("/v1/jobs", json={"prompt": "a cat"}).json()

    os.kill(service.child("redis"), signal.SIGKILL)
    wait_until(lambda: service.http.get("/readyz").status_code == 200)
    os.kill(service.child("app.server"), signal.SIGKILL)

    # a fresh connection waits at the socket, which the supervisor keeps open
    answer = httpx.get(service.http.base_url.join(job["urls"]["self"]), trust_env=False, timeout=20)
    assert answer.json() == job


def test_the_lease_of_a_worker_that_died_is_dropped_at_once(up: Callable[[], Up]) -> None:
    service = up()
    with Redis(unix_socket_path=str(service.socket)) as redis:
        wait_until(lambda: leases(redis))
        [lease] = leases(redis)

        os.kill(service.child("signal.pause"), signal.SIGKILL)

        wait_until(lambda: leases(redis) and lease not in leases(redis))


def test_one_of_several_workers_is_replaced_and_the_others_stay(
    up: Callable[[], Up], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARKROOM_WORKERS", "2")
    service = up()
    with Redis(unix_socket_path=str(service.socket)) as redis:
        wait_until(lambda: len(leases(redis)) == 2)
        before = set(leases(redis))

        os.kill(service.child("signal.pause"), signal.SIGKILL)

        wait_until(lambda: len(leases(redis)) == 2 and len(before & set(leases(redis))) == 1)
    assert sorted(re.findall(rb"worker-\d", b" ".join(before))) == [b"worker-0", b"worker-1"]


def test_a_port_that_is_taken_is_told_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "app.cli", "up", "--port", str(port), "--state-dir", str(tmp_path)]

        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)

    assert ended.returncode == 1
    assert ended.stderr == f"Cannot listen on 127.0.0.1:{port}: the port is taken, choose another one with --port.\n"


def commandline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def leases(redis: Redis) -> list[bytes]:
    """Those of the workers; their keeper and the courier have one, too."""
    return [key for key in redis.scan_iter(names.lease_key("*")) if b"-worker-" in key]
