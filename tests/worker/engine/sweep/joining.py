from collections.abc import Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from random import Random
from typing import Any

from tests.worker.engine.sweep.outcome import Outcome, outcome_of
from tests.worker.engine.sweep.request import TIMEOUT_S, Request
from worker.engine import Engine

FIRST = 3  # how many there are to join; after as many steps, the one that is cancelled is


class Joining:
    """Requests in an order left to chance, one of which joins with every second step of anyone's and with every end.

    One more is among them, which is cancelled. All happens in the engine's thread, so it repeats. Pipelines that do
    not tell of their steps join with the ends of others.
    """

    def __init__(self, engine: Engine, requests: Sequence[Request], chance: Random) -> None:
        self._engine = engine
        self._waiting = [(request, request.arguments()) for request in chance.sample(requests, len(requests))]
        self._chance = chance
        self._extra = chance.choice(requests)
        self._ended: SimpleQueue[tuple[str, Future[Any]]] = SimpleQueue()
        self._steps = 0

    def outcomes(self) -> dict[str, Outcome]:
        count, arguments = len(self._waiting), self._extra.arguments()
        with self._engine._changed:  # the engine welcomes the first ones at once
            self._cancelled = self._submit(self._extra, arguments)
            for _ in range(FIRST):
                self._join()
        ended = dict(self._ended.get(timeout=TIMEOUT_S) for _ in range(count))
        return {name: outcome_of(future.result) for name, future in ended.items()}

    def _submit(self, request: Request, arguments: dict[str, Any]) -> "Future[Any]":
        priority = self._chance.choice((0, 0, 3))
        return self._engine.submit(
            request.pipeline, on_step=self._step, priority=priority, seed=request.seed, **arguments
        )

    def _join(self) -> None:
        if self._waiting:
            request, arguments = self._waiting.pop()
            self._submit(request, arguments).add_done_callback(lambda future: self._end(request.name, future))

    def _step(self, *_: Any) -> None:
        self._steps += 1
        if self._steps == FIRST:
            self._cancelled.cancel()
        if self._steps % 2:
            self._join()

    def _end(self, name: str, future: "Future[Any]") -> None:
        self._cancelled.cancel()
        self._ended.put((name, future))
        self._join()
