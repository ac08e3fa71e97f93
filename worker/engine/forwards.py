from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
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
        self._layouts: dict[Hashable, Sequence[torch.memory_format]] = {}  # of lone rows, layer by layer

    def alone(self, call: Call) -> Answer:
        self._count(call)
        return self.uncounted(call)

    def noted(self, call: Call) -> Answer:
        """Answers a call alone, and notes how a lone row lies in memory."""
        if call.rows > 1 or not call.is_rounded_as_alone:
            return self.alone(call)
        with Layouts() as layouts:
            answer = self.alone(call)
        self._layouts[call.loose] = layouts.seen
        return answer

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
        layouts = next((self._layouts[call.loose] for call in batch.calls if call.loose in self._layouts), ())
        return batch.results(layouts)

    def _count(self, asked: Call | Batch) -> None:
        self._alive()
        asked.method.forwards[asked.rows] += 1
