"""What Prometheus reads: the traffic of this process, and what Redis knows of the workers and the jobs."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

from app.contract.announcement import Announcement
from app.contract.queues import QueueCounts

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def labels_of(scope: Scope) -> tuple[str, str]:
    """The template of a request's route and its method: few, whatever is asked for."""
    route: str = getattr(scope.get("route"), "path", "unmatched")
    return route, scope["method"] if scope["method"] in METHODS else "other"


class Traffic:
    """The requests that this process has answered, by the template of their route: no path becomes a label."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "darkroom_http_requests", "Requests answered.", ["route", "method", "status"], registry=self.registry
        )
        self._duration = Histogram(
            "darkroom_http_request_duration_seconds", "From request to answer.", ["route"], registry=self.registry
        )

    def count(self, scope: Scope, status: int | None, seconds: float) -> None:
        route, method = labels_of(scope)
        self._requests.labels(route, method, str(status or "aborted")).inc()
        self._duration.labels(route).observe(seconds)


class Fleet(Collector):
    """The workers, the jobs and the webhooks as Redis tells of them at one moment."""

    def __init__(
        self, announcements: list[Announcement], counts: Mapping[str, QueueCounts], deliveries: Mapping[str, int]
    ) -> None:
        self._announcements = announcements
        self._counts = counts
        self._deliveries = deliveries

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("darkroom_workers", "Workers alive.", value=len(self._announcements))
        yield from self._worker_metrics()
        yield from self._module_metrics()
        jobs = GaugeMetricFamily("darkroom_jobs", "Jobs that are kept, by state.", labels=["model", "status"])
        for model, counts in self._counts.items():
            for status, number in counts:
                jobs.add_metric([model, status], number)
        yield jobs
        webhooks = GaugeMetricFamily(
            "darkroom_webhook_deliveries", "Webhooks that wait, and that were given up.", labels=["status"]
        )
        for status, number in self._deliveries.items():
            webhooks.add_metric([status], number)
        yield webhooks

    def _worker_metrics(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("darkroom_worker_running_jobs", "Jobs in development.", labels=["worker"])
        capacity = GaugeMetricFamily("darkroom_worker_capacity_jobs", "Jobs it develops at once.", labels=["worker"])
        for each in self._announcements:
            running.add_metric([each.worker], each.running)
            capacity.add_metric([each.worker], each.capacity)
        yield running
        yield capacity

    def _module_metrics(self) -> Iterator[Metric]:
        labels = ["worker", "model", "module"]
        calls = CounterMetricFamily("darkroom_module_calls", "Calls that runs parked.", labels=labels)
        forwards = CounterMetricFamily("darkroom_module_forwards", "Forward passes that answered them.", labels=labels)
        rows = CounterMetricFamily("darkroom_module_rows", "Rows of these forward passes.", labels=labels)
        mean = GaugeMetricFamily("darkroom_mean_rows_per_forward", "Rows a forward pass, overall.", labels=labels)
        for worker in self._announcements:
            for each in worker.modules:
                where = [worker.worker, each.model, each.module]
                calls.add_metric(where, each.calls)
                forwards.add_metric(where, each.forwards)
                rows.add_metric(where, each.rows)
                mean.add_metric(where, each.rows / each.forwards if each.forwards else 0.0)
        yield from (calls, forwards, rows, mean)


class _Reachable(Collector):
    def __init__(self, reachable: bool) -> None:
        self._reachable = reachable

    def collect(self) -> Iterable[Metric]:
        return [GaugeMetricFamily("darkroom_redis_up", "Whether Redis answered this scrape.", value=self._reachable)]


def render(traffic: Traffic, fleet: Fleet | None) -> bytes:
    """Prometheus' text format; without Redis there is no fleet, and the rest is still told."""
    registry = CollectorRegistry()
    registry.register(_Reachable(fleet is not None))
    if fleet:
        registry.register(fleet)
    return generate_latest(traffic.registry) + generate_latest(registry)
