"""The whole service as a user starts it: `darkroom up` with the embedded model, over real HTTP."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal

import httpx
import psutil
import pytest

from tests.collector import base
from tests.worker.receiver import Receiver, receiving

STARTED = re.compile(r"listening on (http://[\w.:]+)")
PATIENCE_S = 90.0


class Service:
    """One `darkroom up` on a state folder; it can be stopped and started again."""

    def __init__(self, state_dir: Path, log: Path | None = None, **environment: str) -> None:
        self.state_dir = state_dir
        self.log = log
        self.metrics_port = two_free_ports()
        self._environment = {**os.environ, "DARKROOM_METRICS_PORT": str(self.metrics_port), **environment}
        try:
            self.start()
        except BaseException:
            self.process.kill()
            raise

    def start(self) -> None:
        command = [sys.executable, "-m", "app.cli", "up", "--port", "0", "--state-dir", str(self.state_dir)]
        with self.log.open("a") if self.log else nullcontext() as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment
            )
        for line in self.process.stdout or ():
            if found := STARTED.search(line):
                self.http = httpx.Client(base_url=found[1], timeout=30)
                break
        self.wait_for(lambda: len(self.warm_models()) > 0)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=PATIENCE_S)
        self.http.close()
        return self.process.returncode

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def worker(self) -> psutil.Process:
        return next(child for child in self.descendants() if child.cmdline()[1:3] == ["-m", "worker"])

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged, if it logs in JSON."""
        assert self.log
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    @property
    def redis_url(self) -> str:
        return f"unix://{self.state_dir}/redis.sock"

    def warm_models(self) -> list[str]:
        answer = self.http.get("/v1/models")
        return [each["id"] for each in answer.json()["data"] if each["darkroom"]["state"] == "warm"]

    def post(self, **body: Any) -> dict[str, Any]:
        answer = self.http.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def job(self, job_id: str) -> dict[str, Any]:
        return self.http.get(f"/v1/jobs/{job_id}").raise_for_status().json()

    def ended(self, job_id: str) -> dict[str, Any]:
        self.wait_for(lambda: self.job(job_id)["status"] not in ("queued", "running"))
        return self.job(job_id)

    def image(self, job: dict[str, Any], n: int = 0) -> bytes:
        return self.http.get(job["images"][n]["url"]).raise_for_status().content

    def picture(self, **body: Any) -> bytes:
        """Posts, waits, and gives the one picture's bytes."""
        job = self.ended(self.post(**body)["id"])
        assert job["status"] == "succeeded", job["error"]
        return self.image(job)

    def dials(self, of: Literal["api", "worker", "courier"], path: str = "/metrics") -> str:
        """What it tells Prometheus, or an orchestrator."""
        port = {"worker": self.metrics_port, "courier": self.metrics_port + 1}.get(of, self.http.base_url.port)
        return httpx.get(f"http://127.0.0.1:{port}{path}").raise_for_status().text

    def metrics(self, of: Literal["api", "worker", "courier"]) -> dict[str, float]:
        """The same, by the samples' names and labels."""
        lines = (line.rpartition(" ") for line in self.dials(of).splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def running_jobs(self) -> float:
        return self.metrics("api")["darkroom_fleet_slots_used"]

    def unet(self, metric: str) -> float:
        return self.metrics("worker")[f'{metric}{{model="mini",module="unet"}}']

    @staticmethod
    def wait_for(holds: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < until, "It did not happen in time."
            time.sleep(0.05)


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Hears the webhooks of the service."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def collector() -> Iterator[Receiver]:
    """Gets the traces of the service."""
    with receiving() as collector:
        yield collector


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver, collector: Receiver) -> Iterator[Service]:
    egress = {"DARKROOM_EGRESS_ALLOW": "127.0.0.1", "DARKROOM_EGRESS_PORTS": f"443,{receiver.port}"}
    told = {"DARKROOM_LOG_FORMAT": "json", "DARKROOM_LOG_LEVEL": "info"}
    traced = {"DARKROOM_OTLP_ENDPOINT": base(collector), "OTEL_BSP_SCHEDULE_DELAY": "100"}
    service = Service(tmp_path_factory.mktemp("s"), tmp_path_factory.mktemp("l") / "log", **egress, **told, **traced)
    try:
        yield service
    finally:
        service.stop()


def two_free_ports() -> int:
    """The first of two neighbours, below those that the system gives to whoever connects."""
    while True:
        port = random.randrange(20_000, 30_000)  # noqa: S311
        with ExitStack() as held, suppress(OSError):
            for neighbour in (port, port + 1):
                held.enter_context(socket.create_server(("127.0.0.1", neighbour)))
            return port
