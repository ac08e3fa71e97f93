import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from benchmarks.serving.load import Served, ask_at_random, ask_in_a_loop
from benchmarks.serving.systems import System, Together
from benchmarks.serving.workload import Request, Workload

CLIENTS = 16


@dataclass(frozen=True)
class Measure:
    """What one system did with one workload, once."""

    workload: str
    system: str
    images_per_s: float
    p50_s: float
    p95_s: float
    cpu_s_per_image: float
    difference: float  # the largest from alone, of a pixel in 0..1
    join_delay_steps: int | None = None  # the longest
    outside: float | None = None  # share of the time outside the modules' forward


def measure(
    system: System, workload: Workload, count: int, capacity: float, alone: Mapping[Request, Tensor]
) -> Measure:
    """Serves a workload once; `capacity` is in images per second, one at a time."""
    requests = list(workload.requests(count))
    inside, delays = (system.stopwatch.seconds, len(system.join_delays)) if isinstance(system, Together) else (0.0, 0)
    cpu, started = system.cpu_s(), time.perf_counter()
    if workload.load is None:
        served = ask_in_a_loop(system.develop, requests, CLIENTS)
    else:
        served = ask_at_random(system.develop, requests, workload.load * capacity)
    wall_s, cpu_s = time.perf_counter() - started, system.cpu_s() - cpu
    latencies = sorted(each.latency_s for each in served)
    figures = Measure(
        workload.name,
        system.name,
        count / wall_s,
        statistics.median(latencies),
        latencies[round(0.95 * (count - 1))],
        cpu_s / count,
        _difference(served, alone),
    )
    if not isinstance(system, Together):
        return figures
    # At a light load the engine also sleeps outside the modules: no share is told then.
    outside = 1 - (system.stopwatch.seconds - inside) / wall_s if workload.load is None else None
    return Measure(**{**vars(figures), "join_delay_steps": max(system.join_delays[delays:]), "outside": outside})


def _difference(served: list[Served], alone: Mapping[Request, Tensor]) -> float:
    return max((each.picture.cpu().float() - alone[each.request]).abs().max().item() for each in served)
