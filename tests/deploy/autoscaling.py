"""The query by which KEDA scales the workers, asked of a live stack under a burst, wants as many as the jobs need."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from app.contract.settings import Settings
from tests.deploy import debian
from tests.deploy.report import Line
from tests.deploy.site import Site
from tests.deploy.watched import Watched, watched

BURST = 40
REST = 17
SLOTS = Settings.model_fields["max_jobs"].default
UNFINISHED = 'darkroom_jobs{status=~"queued|running"}'
BODY = {"prompt": "a red cat", "num_inference_steps": 100}


@dataclass(frozen=True)
class Scaler:
    """What the ScaledObject tells KEDA, which wants a worker for each threshold's worth of the query, within bounds."""

    query: str
    threshold: float
    fewest: int
    most: int

    def wanted(self, value: float) -> int:
        return self._bounded(math.ceil(value / self.threshold))

    def needed(self, jobs: int) -> int:
        """What the jobs would say."""
        return self._bounded(math.ceil(jobs / SLOTS))

    def _bounded(self, workers: int) -> int:
        return min(self.most, max(self.fewest, workers))


def autoscaling(site: Site) -> Iterator[Line]:
    debian.require("prometheus")
    scaler = _scaler(site)
    with watched(site) as live:
        posted = [live.service.post(**BODY)["id"] for _ in range(BURST)]
        yield _asked(live, scaler, "under a burst", BURST)
        both, once = live.prometheus.value(f"sum({UNFINISHED})"), live.prometheus.value(scaler.query)
        figure = f"a sum over both would be {both:g}, the query is {once:g}"
        yield Line("two API replicas are not counted as twice the jobs", figure, both == 2 * once)
        _cancel(live, posted[REST:])
        yield _asked(live, scaler, "when most of it is canceled", REST)
        _cancel(live, posted[:REST])
        yield _asked(live, scaler, "when it is drained", 0)


def _asked(live: Watched, scaler: Scaler, when: str, jobs: int) -> Line:
    live.prometheus.catch_up()
    value = live.prometheus.value(scaler.query)
    wanted, needed = scaler.wanted(value), scaler.needed(jobs)
    figure = f"{jobs} jobs, {SLOTS} slots a worker: {wanted} wanted, {needed} needed"
    return Line(f"KEDA's query asks for the right number of workers {when}", figure, wanted == needed)


def _cancel(live: Watched, jobs: list[str]) -> None:
    for job in jobs:
        live.service.http.post(f"/v1/jobs/{job}/cancel").raise_for_status()
    for job in jobs:
        live.service.ended(job)


def _scaler(site: Site) -> Scaler:
    [scaled] = scaled_objects(site.clone)
    [trigger] = scaled["spec"]["triggers"]
    told = trigger["metadata"]
    bounds = scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]
    return Scaler(told["query"], float(told["threshold"]), *bounds)


def scaled_objects(project: Path) -> list[dict[str, Any]]:
    files = (project / "deploy/kubernetes").rglob("*.yaml")
    documents = [each for file in files for each in yaml.safe_load_all(file.read_text())]
    return [each for each in documents if each and each.get("kind") == "ScaledObject"]
