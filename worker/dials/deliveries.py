from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram

LAG_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 1_800, 7_200, 36_000, 86_400)


class DeliveryDials:
    """How late webhooks arrive, and how their attempts end: delivered, failed, or dead after the last one."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._lag = Histogram(
            "darkroom_webhook_lag_seconds",
            "From the end of a job to its receiver's yes.",
            buckets=LAG_BUCKETS_S,
            registry=registry,
        )
        self._attempts = Counter(
            "darkroom_webhook_attempts", "Attempts to deliver, by their result.", ["result"], registry=registry
        )
        for result in ("delivered", "failed", "dead"):
            self._attempts.labels(result)

    def delivered(self, ended_at: datetime) -> None:
        self._lag.observe(max(0.0, (datetime.now(UTC) - ended_at).total_seconds()))
        self._attempts.labels("delivered").inc()

    def failed(self, *, is_last: bool) -> None:
        self._attempts.labels("dead" if is_last else "failed").inc()
