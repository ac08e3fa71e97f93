import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.contract import names
from app.contract.announcement import Pace
from worker.queue.claim import Claim

WEIGHT = 0.2  # of the newest job


class Pacer:
    """Measures how fast its worker is: each job that is seen through counts for its model, the newest most.

    At each moment the jobs in flight share the worker. So what they take adds up to the time in which it was busy,
    however many run at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._changed_at = clock()
        self._in_flight = 0
        self._share_s = 0.0  # what a job has had of the worker that was there from the start
        self._paces: dict[str, Pace] = {}

    @property
    def paces(self) -> list[Pace]:
        return list(self._paces.values())

    @contextmanager
    def timing(self, claim: Claim) -> Iterator[None]:
        began, share_s = self._change(1)
        try:
            yield
        finally:
            _, share_at_end_s = self._change(-1)
            self._learn(claim, began, share_at_end_s - share_s)

    def _change(self, jobs: int) -> tuple[float, float]:
        with self._lock:
            now = self._clock()
            if self._in_flight:
                self._share_s += (now - self._changed_at) / self._in_flight
            self._changed_at, self._in_flight = now, self._in_flight + jobs
            return now, self._share_s

    def _learn(self, claim: Claim, began: float, job_s: float) -> None:
        progress = claim.job.meta.get("progress")
        if not progress or progress["step"] < progress["total_steps"]:
            return
        model = names.model_of(claim.job.origin)
        seen = Pace(model=model, step_s=(claim.reported_at - began) / progress["step"], job_s=job_s)
        with self._lock:
            known = self._paces.get(model, seen)
            self._paces[model] = Pace(
                model=model,
                step_s=known.step_s + WEIGHT * (seen.step_s - known.step_s),
                job_s=known.job_s + WEIGHT * (seen.job_s - known.job_s),
            )
