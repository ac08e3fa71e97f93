from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from worker.engine.batch import Batch
from worker.engine.call import Call
from worker.engine.isolation.randomness import own
from worker.engine.rows.rounding import Layouts
from worker.engine.run import Answer, forget_tensors


class Forwards:
    """Makes the forward passes, of one call or of a batch, and counts them."""

    def __init__(self, alive: Callable[[], None], watching: Callable[[Call], AbstractContextManager[None]]) -> None:
        self._alive = alive
        self._watching = watching
        self._layouts: dict[Hashable, torch.memory_format] = {}  # by layer, as Layouts notes them

    def alone(self, call: Call) -> Answer:
        self._count(call)
        return self.uncounted(call)

    def noted(self, call: Call) -> Answer:
        """Answers a call alone, and notes how its rows lie in memory."""
        with Layouts(self._layouts) if call.is_rounded_as_alone else nullcontext():
            return self.alone(call)

    def uncounted(self, call: Call) -> Answer:
        """Answers a call that nobody asked for."""
        self._alive()
        try:
            with own(call.random), self._watching(call):
                return Answer(call.answer())
        except Exception as error:  # it is thrown into the run that asked
            forget_tensors(error)  # the calls behind this one need the memory
            return Answer(error=error)

    def together(self, batch: Batch, is_counted: bool = True) -> list[Any]:
        if is_counted:
            self._count(batch)
        self._alive()
        return batch.results(self._layouts)

    def _count(self, asked: Call | Batch) -> None:
        self._alive()
        asked.method.forwards[asked.rows] += 1
