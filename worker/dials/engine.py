from collections.abc import Iterable, Iterator

import torch
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from worker.engine import Engine
from worker.engine.stats import EngineStats, ModuleStats
from worker.pipelines.warm_models import WarmModels
from worker.queue import QueueWorker

ROW_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


class EngineDials(Collector):
    """What a worker's engine, models and slots are doing, read at each scrape."""

    def __init__(self, worker: QueueWorker, engine: Engine, models: WarmModels, device: torch.device) -> None:
        self._worker = worker
        self._engine = engine
        self._models = models
        self._device = device

    def collect(self) -> Iterator[Metric]:
        stats = self._engine.stats()
        yield GaugeMetricFamily("darkroom_slots", "Jobs that it develops at once.", self._worker.capacity)
        yield GaugeMetricFamily("darkroom_slots_used", "Jobs in development.", len(self._worker.claims))
        yield CounterMetricFamily(
            "darkroom_engine_busy_seconds", "Time in which the engine had something to do.", stats.busy_s
        )
        yield CounterMetricFamily(
            "darkroom_out_of_memory", "Batches halved and runs that failed for want of memory.", stats.out_of_memory
        )
        yield CounterMetricFamily("darkroom_cache_hits", "Texts whose encoding was remembered.", stats.remembered)
        yield CounterMetricFamily("darkroom_cache_misses", "Texts that were encoded.", stats.missed)
        yield from _modules(stats)
        yield _gauges(
            "darkroom_model_load_seconds", "What the last loading took.", "model", self._models.load_seconds.items()
        )
        yield _gauges("darkroom_memory_bytes", "Of models and their runs.", "kind", self._memory())

    def _memory(self) -> Iterator[tuple[str, float]]:
        yield "models", self._models.bytes
        if self._models.memory != float("inf"):
            yield "budget", self._models.memory
        if self._device.type == "cuda":
            yield "allocated", torch.cuda.memory_allocated(self._device)
            yield "reserved", torch.cuda.memory_reserved(self._device)
            yield "total", torch.cuda.get_device_properties(self._device).total_memory


def _modules(stats: EngineStats) -> Iterator[Metric]:
    labels = ["model", "module"]
    calls = CounterMetricFamily("darkroom_module_calls", "Calls that runs parked.", labels=labels)
    forwards = CounterMetricFamily("darkroom_module_forwards", "Forward passes that answered them.", labels=labels)
    rows = CounterMetricFamily("darkroom_module_rows", "Rows of these forward passes.", labels=labels)
    batches = HistogramMetricFamily("darkroom_batch_rows", "Rows of a forward pass.", labels=labels)
    for each in stats.modules:
        where = [each.model, each.module]
        calls.add_metric(where, each.calls)
        forwards.add_metric(where, each.forwards)
        rows.add_metric(where, each.rows)
        batches.add_metric(where, _buckets(each), each.rows)
    yield from (calls, forwards, rows, batches)


def _buckets(stats: ModuleStats) -> list[tuple[str, float]]:
    """The forward passes of at most so many rows, for each bucket."""
    bounds = (*ROW_BUCKETS, float("inf"))
    return [
        (floatToGoString(bound), sum(forwards for rows, forwards in stats.by_rows.items() if rows <= bound))
        for bound in bounds
    ]


def _gauges(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    gauges = GaugeMetricFamily(name, text, labels=[label])
    for value_of, value in values:
        gauges.add_metric([value_of], value)
    return gauges
