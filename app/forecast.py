"""When pictures can be expected, by what the workers have measured."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, harmonic_mean

from app.contract.announcement import Announcement, Pace
from app.contract.queues import Queues

FRESH_S = 1.0  # as often as workers say something new


@dataclass(frozen=True)
class Backlog:
    """Jobs of another model that the same workers develop in turn; `job_s` of a worker's time each."""

    depth: int
    job_s: float


@dataclass(frozen=True)
class Forecast:
    """What is known of a model's workers; without them, or before they have measured anything, nothing is foretold.

    All numbers are coarse, so that what is foretold of a job stays the same for a while.
    """

    workers: int = 0
    free: int = 0  # slots
    step_s: float | None = None
    job_s: float | None = None
    backlogs: tuple[Backlog, ...] = ()

    def eta_s(self, ahead: int, steps: int) -> float | None:
        """Seconds until the pictures of a job of so many steps, with so many jobs before it."""
        if self.job_s is None or self.step_s is None:
            return None
        to_end = max(0, ahead + 1 - self.free)  # jobs, before it gets a slot
        work_s = to_end * self.job_s + sum(min(each.depth, to_end) * each.job_s for each in self.backlogs)
        return _coarse(work_s / self.workers + steps * self.step_s)


class Forecasts:
    """Looks at the queues at most once a second, however many ask."""

    def __init__(self, queues: Queues, models: Sequence[str]) -> None:
        self._queues = queues
        self._models = models
        self._forecasts: dict[str, Forecast] = {}
        self._fresh_until = 0.0
        self._looking = asyncio.Lock()

    async def of(self, model: str) -> Forecast:
        """Raises RedisUnavailable."""
        async with self._looking:
            if time.monotonic() >= self._fresh_until:
                counts = await self._queues.counts(self._models)
                depths = {each: count.queued for each, count in counts.items()}
                self._forecasts = foretell(await self._queues.announcements(), depths)
                self._fresh_until = time.monotonic() + FRESH_S
        return self._forecasts.get(model, Forecast())


def foretell(announcements: Sequence[Announcement], depths: Mapping[str, int]) -> dict[str, Forecast]:
    """A forecast for each model that is warm."""
    return {model: _foretell(model, announcements, depths) for each in announcements for model in each.models}


def _foretell(model: str, announcements: Sequence[Announcement], depths: Mapping[str, int]) -> Forecast:
    workers = [each for each in announcements if model in each.models]
    paces = [pace for each in workers for pace in each.paces]
    own = [pace for pace in paces if pace.model == model]
    others = sorted({pace.model for pace in paces} - {model})
    return Forecast(
        workers=len(workers),
        free=sum(max(0, each.capacity - each.running) for each in workers),
        step_s=_coarse(fmean(pace.step_s for pace in own)) if own else None,
        job_s=_job_s(own) if own else None,
        backlogs=tuple(
            Backlog(depths[other], _job_s([pace for pace in paces if pace.model == other]))
            for other in others
            if depths.get(other)
        ),
    )


def _job_s(paces: Sequence[Pace]) -> float:
    return _coarse(harmonic_mean([pace.job_s for pace in paces]))  # of rates, not of times


def _coarse(seconds: float) -> float:
    return float(f"{seconds:.2g}")
