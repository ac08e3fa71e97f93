"""A Prometheus that watches processes of this machine by the committed configuration and rules."""

import math
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import yaml

from tests.deploy.site import Site

ROUND_S = 2  # from scrape to scrape, and from evaluation to evaluation
PATIENCE_S = 300.0

Targets = Mapping[str, Sequence[str]]  # the addresses of each job of the configuration


class Prometheus:
    """One that runs, asked over its API."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1", timeout=10, trust_env=False)

    def ask(self, path: str, **parameters: str) -> Any:
        """Raises HTTPStatusError, for one, when an expression is wrong."""
        return self._http.get(path, params=parameters).raise_for_status().json()["data"]

    def values(self, expression: str) -> list[float]:
        return [float(sample["value"][1]) for sample in self.ask("/query", query=expression)["result"]]

    def value(self, expression: str) -> float:
        """Of an expression that has one value; raises ValueError if it has not."""
        [value] = self.values(expression)
        return value

    def has_data(self, expression: str) -> bool:
        return any(map(math.isfinite, self.values(expression)))

    def answers(self) -> bool:
        """Whether it has read its log and takes questions."""
        with suppress(httpx.HTTPError):
            return bool(self.ask("/targets"))
        return False

    def is_up(self, since: float = 0.0) -> bool:
        """Whether every target was scraped well the last time, and since then."""
        targets = self.ask("/targets")["activeTargets"]
        return bool(targets) and self.values(f"count(up == 1 and timestamp(up) > {since})") == [len(targets)]

    def catch_up(self, round_s: float = ROUND_S) -> None:
        """Waits until it knows of every target, and then its rules do, what holds now."""
        since = time.time() + 2 * round_s
        wait_until(lambda: self.is_up(since))


@contextmanager
def watching(site: Site, targets: Targets) -> Iterator[Prometheus]:
    """Runs it with the clone's configuration, each job's targets replaced; jobs without any are left out."""
    port = free_port()
    data = site.folder / f"prometheus-{port}"
    data.mkdir()
    configuration = data / "prometheus.yml"
    configuration.write_text(yaml.safe_dump(_pointed_at(site, targets)))
    options = {
        "config.file": configuration,
        "storage.tsdb.path": data / "series",
        "web.listen-address": f"127.0.0.1:{port}",
        "log.level": "error",
    }
    command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command) as process:
        try:
            prometheus = Prometheus(f"http://127.0.0.1:{port}")
            wait_until(lambda: prometheus.answers() and prometheus.is_up())
            yield prometheus
        finally:
            process.terminate()


def _pointed_at(site: Site, targets: Targets) -> dict[str, Any]:
    folder = site.clone / "deploy/prometheus"
    configuration = yaml.safe_load((folder / "prometheus.yml").read_text())
    jobs = [job["job_name"] for job in configuration["scrape_configs"] if job["job_name"] in targets]
    return {
        "global": {"scrape_interval": f"{ROUND_S}s", "evaluation_interval": f"{ROUND_S}s"},
        "rule_files": [str(folder / name) for name in configuration["rule_files"]],
        "scrape_configs": [{"job_name": job, "static_configs": [{"targets": list(targets[job])}]} for job in jobs],
    }


def wait_until(holds: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    until = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError("It did not come true in time.")
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
