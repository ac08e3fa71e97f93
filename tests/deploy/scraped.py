"""The stack's own Prometheus finds all there is to scrape, and each of two workers."""

from collections import Counter
from collections.abc import Iterator

from tests.deploy.prometheus import Prometheus, free_port, wait_until
from tests.deploy.report import Line
from tests.deploy.service import standing
from tests.deploy.site import Site

WORKERS = 2
ITS_ROUND_S = 15  # in prometheus.yml
THERE = {"darkroom-api": 2, "darkroom-worker": WORKERS, "darkroom-courier": 1, "haproxy": 1}


def scraped(site: Site) -> Iterator[Line]:
    service = standing(site)
    port = service.stack.environment["PROMETHEUS_PORT"] = str(free_port())
    service.stack.up("worker", "prometheus", worker=WORKERS)
    service.until_ready(workers=WORKERS)
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    wait_until(prometheus.answers)
    wait_until(lambda: _found(prometheus) == THERE)
    figure = ", ".join(f"{number} {job}" for job, number in _found(prometheus).items())
    yield Line("compose's Prometheus finds all replicas and both workers", figure, prometheus.is_up())
    prometheus.catch_up(ITS_ROUND_S)
    workers = prometheus.value("fleet:darkroom_workers:max")
    yield Line("and its rules tell of them", f"{workers:g} workers", workers == WORKERS)


def _found(prometheus: Prometheus) -> Counter[str]:
    """How many targets of each job were scraped well."""
    targets = prometheus.ask("/targets")["activeTargets"]
    return Counter(target["labels"]["job"] for target in targets if target["health"] == "up")
