"""The clients: they ask, wait, and note how long it took."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from torch import Tensor

from benchmarks.serving.workload import Request

Develop = Callable[[Request], "Future[Tensor]"]


@dataclass(frozen=True)
class Served:
    """One request, its picture, and the seconds from asking to having."""

    request: Request
    picture: Tensor
    latency_s: float


def ask_in_a_loop(develop: Develop, requests: Iterable[Request], clients: int) -> list[Served]:
    """Has so many clients ask, each for its next picture when it has the last."""
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(lambda request: _ask(develop, request), requests))


def ask_at_random(develop: Develop, requests: Sequence[Request], rate: float) -> list[Served]:
    """Asks at the moments of a Poisson process, `rate` a second, whether pictures come back or not."""
    chance = random.Random(7)  # noqa: S311 - the same moments for everybody
    with ThreadPoolExecutor(len(requests)) as pool:
        asked, at = [], time.perf_counter()
        for request in requests:
            at += chance.expovariate(rate)
            time.sleep(max(0.0, at - time.perf_counter()))
            asked.append(pool.submit(_ask, develop, request))
        return [each.result() for each in asked]


def _ask(develop: Develop, request: Request) -> Served:
    started = time.perf_counter()
    picture = develop(request).result()
    return Served(request, picture, time.perf_counter() - started)
