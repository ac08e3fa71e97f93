from collections.abc import Hashable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch

from worker.engine.call import Call
from worker.engine.rows.rounding import AsAlone
from worker.engine.rows.stacking import Kind, split, stack
from worker.engine.rows.wearing import wearing


class Batch:
    """Calls that fit together, which one forward pass answers.

    Each has zeros for the arguments that it lacks and `widest` has.
    """

    def __init__(self, calls: Sequence[Call], widest: Call | None = None) -> None:
        self.calls = calls
        self.widest = widest or max(calls, key=lambda call: len(call.structures))
        self.method = self.widest.method
        self.rows = sum(call.rows for call in calls)
        self.is_mixed = any(call.adapters != calls[0].adapters for call in calls)

    @property
    def filled(self) -> list[Call]:
        return [call for call in self.calls if len(call.structures) < len(self.widest.structures)]

    def results(self, layouts: Mapping[Hashable, torch.memory_format]) -> list[Any]:
        """Makes the forward pass and returns each call's rows of what it gives; `layouts` are for AsAlone.

        Raises CannotStack for a result that has not one row for each row.
        """
        rows = [call.rows for call in self.calls]
        kinds = [Kind.of(leaf, self.widest.rows) for leaf in self.widest.leaves.values()]
        bound = self.widest.bound(iter(stack([call.leaves_like(self.widest) for call in self.calls], kinds, rows)))
        rounding = AsAlone(layouts) if self.widest.is_rounded_as_alone else nullcontext()
        with wearing([(call.adapters, call.rows) for call in self.calls]), rounding:
            result = self.method(*bound.args, **bound.kwargs)
        return split(result, rows, self.widest.listed > 0)

    def versions(self) -> list[int]:
        """Returns numbers that change when somebody writes into the calls' tensors."""
        tensors = (tensor for call in self.calls for tensor in call.tensors)
        return [tensor._version for tensor in tensors if not tensor.is_inference()]
