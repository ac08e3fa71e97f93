import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis.asyncio
from redis import Redis

from app.contract import names
from app.contract.job import JobStatus
from app.contract.settings import Settings
from app.workers import METRICS_PORT, VISIBLE, courier_program, worker_command, worker_programs
from tests.app.processes import is_alive, wait_until
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand

SLOW = {"step_s": "0.1"}


@pytest.fixture
def workers(redis_url: str) -> Iterator["subprocess.Popen[str]"]:
    """`darkroom worker` with two of them; without a supervisor a dead one would be missed for a minute."""
    settings = {"DARKROOM_REDIS_URL": redis_url, "DARKROOM_WORKERS": "2", "DARKROOM_LEASE_S": "60"}
    command = [sys.executable, "-m", "tests.app.small_workers"]
    environment = {**os.environ, **settings, "DARKROOM_GRACE_S": "0.1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def pids(redis: Redis, job_id: str) -> list[int]:
    return [int(pid) for pid in redis.lrange(f"ran:{job_id}", 0, -1)]


def test_two_workers_share_the_work_and_each_is_replaced_when_it_is_killed(
    workers: "subprocess.Popen[str]", redis: Redis, redis_url: str
) -> None:
    front = Front(redis_url)
    first, second = front.admit(metadata=SLOW), front.admit(metadata=SLOW)
    wait_until(lambda: pids(redis, first) and pids(redis, second))
    victims = pids(redis, first) + pids(redis, second)
    assert len(set(victims)) == 2

    for victim in victims:
        os.kill(victim, signal.SIGKILL)

    for job_id in (first, second):
        assert front.wait_for(job_id, JobStatus.SUCCEEDED).attempt == 2
    workers.terminate()
    said = workers.communicate(timeout=20)[0]
    for name in ("worker-0", "worker-1"):
        assert f"{name} was ended by a signal: Killed; it starts again in 0.2 s" in said


def test_a_stop_reaches_the_workers_and_they_give_their_jobs_back(
    workers: "subprocess.Popen[str]", redis: Redis, redis_url: str
) -> None:
    front = Front(redis_url)
    job_id = front.admit(metadata={"step_s": "0.5"})
    wait_until(lambda: front.find(job_id).status is JobStatus.RUNNING and pids(redis, job_id))

    workers.terminate()

    assert workers.wait(20) == 0
    record = front.find(job_id)
    assert (record.status, record.attempt) == (JobStatus.QUEUED, 0)
    assert not is_alive(pids(redis, job_id)[0])
    assert list(redis.scan_iter(names.lease_key("*"))) == []


def test_without_any_worker_that_starts_the_supervisor_still_has_jobs_given_back(redis: Redis, redis_url: str) -> None:
    program = """
import asyncio, sys
from app.contract.settings import Settings
from app.workers import work
asyncio.run(work(Settings(), print, lambda name: [sys.executable, "-c", "raise SystemExit(1)"]))
"""
    front, doomed = Front(redis_url), Hand(redis, "darkroom-doomed", ["mini"])
    job_id = front.admit()
    doomed.claim()

    with subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "DARKROOM_REDIS_URL": redis_url}, stdout=subprocess.DEVNULL
    ) as process:
        doomed.die()
        front.wait_for(job_id, JobStatus.QUEUED)
        process.terminate()


@pytest.mark.parametrize(
    ("settings", "visible", "expected"),
    [
        ({}, "", [("worker", None)]),
        ({}, "3", [("worker", "3")]),
        ({}, "1,GPU-5ab", [("worker-0", "1"), ("worker-1", "GPU-5ab")]),
        ({}, "0, 1,-1,2", [("worker-0", "0"), ("worker-1", "1")]),
        ({"workers": 3}, "0,1", [("worker-0", "0"), ("worker-1", "1"), ("worker-2", "0")]),
        ({"device": "cpu"}, "0,1", [("worker", None)]),
        ({"device": "cuda:1"}, "0,1", [("worker", None)]),
        ({"device": "cpu", "workers": 2}, "", [("worker-0", None), ("worker-1", None)]),
    ],
)
def test_each_worker_has_a_gpu(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], visible: str, expected: list[tuple[str, str | None]]
) -> None:
    monkeypatch.setenv(VISIBLE, visible)

    keeper, *workers = worker_programs(Settings.model_validate(settings), redis.asyncio.Redis(), worker_command)

    assert keeper.name == "keeper"
    assert [(each.name, each.environment.get(VISIBLE)) for each in workers] == expected


def test_each_process_of_a_machine_tells_its_metrics_on_a_port_of_its_own() -> None:
    settings, client = Settings(metrics_port=9100, workers=2, device="cpu"), redis.asyncio.Redis()

    _keeper, *workers = worker_programs(settings, client, worker_command)
    beside, alone = courier_program(settings, client, beside=len(workers)), courier_program(settings, client)

    assert [each.environment[METRICS_PORT] for each in (*workers, beside, alone)] == ["9100", "9101", "9102", "9100"]
    assert METRICS_PORT not in courier_program(Settings(), client).environment


def test_a_child_sees_its_own_gpu_alone(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    program = f"""
import asyncio, os, sys
from pathlib import Path
from app.contract.settings import Settings
from app.workers import work
look = f"import os; open('{seen}' + str(os.getpid()), 'w').write(os.environ['{VISIBLE}'])"
asyncio.run(work(Settings(), print, lambda name: [sys.executable, "-c", look]))
"""
    environment = {**os.environ, VISIBLE: "4,7", "DARKROOM_REDIS_URL": "unix:///nowhere/redis.sock"}

    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: {file.read_text() for file in tmp_path.glob("seen*")} >= {"4", "7"})
        process.kill()
