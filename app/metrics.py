"""What Prometheus reads: the traffic of this process, and what Redis knows of the workers and the jobs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

from app.contract.announcement import Announcement
from app.contract.queues import QueueCounts, Waiting
from app.contract.tally import REASONS, RESULTS, Tally

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series beside each that nobody asks for

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


@dataclass(frozen=True, eq=False)  # a registry tells its collectors apart by identity
class Fleet(Collector):
    """The workers, the jobs and the webhooks as Redis tells of them at one moment, whichever API is asked."""

    announcements: Sequence[Announcement]
    counts: Mapping[str, QueueCounts]
    waiting: Mapping[str, Mapping[str, Waiting]]
    tally: Tally
    deliveries: Mapping[str, int]

    def collect(self) -> Iterator[Metric]:
        yield from self._workers()
        yield from self._queues()
        yield from self._history()
        yield gauge(
            "darkroom_webhook_deliveries",
            "Webhooks that wait, and that were given up.",
            ["status"],
            (([status], number) for status, number in self.deliveries.items()),
        )

    def _workers(self) -> Iterator[Metric]:
        slots = sum(each.capacity for each in self.announcements)
        used = sum(each.running for each in self.announcements)
        yield GaugeMetricFamily("darkroom_workers", "Workers alive.", value=len(self.announcements))
        yield GaugeMetricFamily("darkroom_fleet_slots", "Jobs that they develop at once.", value=slots)
        yield GaugeMetricFamily("darkroom_fleet_slots_used", "Jobs in development.", value=used)
        forwards: dict[tuple[str, str], int] = defaultdict(int)
        rows: dict[tuple[str, str], int] = defaultdict(int)
        for module in (module for each in self.announcements for module in each.modules):
            forwards[module.model, module.module] += module.forwards
            rows[module.model, module.module] += module.rows
        yield gauge(
            "darkroom_mean_rows_per_forward",
            "Rows a forward pass, since the workers began.",
            ["model", "module"],
            ((where, rows[where] / number if number else 0.0) for where, number in forwards.items()),
        )

    def _queues(self) -> Iterator[Metric]:
        yield gauge(
            "darkroom_jobs",
            "Jobs that are kept, by state.",
            ["model", "status"],
            (([model, status], number) for model, counts in self.counts.items() for status, number in counts),
        )
        waiting = [
            ([model, priority], each)
            for model, by_priority in self.waiting.items()
            for priority, each in by_priority.items()
        ]
        labels, now = ["model", "priority"], datetime.now(UTC)
        yield gauge("darkroom_queue_jobs", "Jobs that wait.", labels, ((where, each.jobs) for where, each in waiting))
        yield gauge(
            "darkroom_queue_oldest_seconds",
            "How long the first of them has been waiting.",
            labels,
            ((where, max(0.0, (now - (each.since or now)).total_seconds())) for where, each in waiting),
        )

    def _history(self) -> Iterator[Metric]:
        ended = CounterMetricFamily("darkroom_jobs_ended", "Jobs that came to an end.", labels=["model", "result"])
        requeues = CounterMetricFamily("darkroom_requeues", "Jobs that had to wait again.", labels=["model", "reason"])
        stale = CounterMetricFamily(
            "darkroom_stale_commits", "Ends refused to workers that had lost the job.", labels=["model"]
        )
        for model in self.counts:
            for result in RESULTS:
                ended.add_metric([model, result], self.tally.ended(model, result))
            for reason in REASONS:
                requeues.add_metric([model, reason], self.tally.requeued(model, reason))
            stale.add_metric([model], self.tally.stale_commits(model))
        yield from (ended, requeues, stale)


def gauge(
    name: str, text: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


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
