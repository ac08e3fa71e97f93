from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from worker.engine.digest import digest
from worker.engine.stacking import Kind, describe, flatten, listed_rows, rebuild, stack

if TYPE_CHECKING:
    from worker.engine.adoption import Method

PLAIN = (type(None), bool, int, float, str, torch.dtype, torch.device)
# Numbers that are exact in each other's stead: schedulers disagree on the type of a timestep.
NUMBERS = frozenset({torch.int32, torch.int64, torch.float32, torch.float64})


class Adapters(Protocol):
    """What a module wears while it answers a run's calls, such as LoRA weights; equal ones have the same effect."""

    def __hash__(self) -> int: ...

    def worn_by(self, module: nn.Module) -> AbstractContextManager[Any]:
        """Equips a module inside the context, and leaves it as it was."""


class Call:
    """One forward pass that a run waits for.

    `exact` says which calls may be stacked with this one; `loose` is the same but for the number type of
    per-row numbers, such as timesteps, and for the sizes of tensors in lists. Both are None when it must be answered
    alone: `alone_because` says why.
    """

    def __init__(
        self, method: "Method", args: Sequence[Any], kwargs: Mapping[str, Any], adapters: Adapters | None = None
    ) -> None:
        self.method = method
        self.adapters = adapters
        self.args = args
        self.kwargs = kwargs
        self.leaves: list[Any] = []
        arguments = method.normalise(args, kwargs)
        self.listed = listed_rows(arguments)
        self.structure = flatten(arguments, self.leaves, self.listed)
        first = (leaf.shape[0] for leaf in self.leaves if isinstance(leaf, Tensor) and leaf.ndim)
        self.rows = self.listed or next(first, 0)
        self.generators = [leaf for leaf in self.leaves if isinstance(leaf, torch.Generator)]
        self.kinds = [_kind(leaf, self.rows) for leaf in self.leaves]
        self.alone_because = self._foreign()
        self.exact: Hashable = None
        self.loose: Hashable = None
        if not self.alone_because:
            parts = [_part(leaf, kind) for leaf, kind in zip(self.leaves, self.kinds, strict=True)]
            self.exact = (method.number, adapters, self.structure, *parts)
            self.loose = (method.number, adapters, self.structure, *map(_loosened, parts))

    def _foreign(self) -> str | None:
        if not self.rows:
            return "no argument is a tensor with rows"
        foreign = [leaf for leaf in self.leaves if not _is_comparable(leaf)]
        return f"an argument holds {describe(foreign[0])}, which cannot be compared" if foreign else None

    def answer(self) -> Any:
        """Runs the forward pass for this call alone, with the very arguments it was made with."""
        with self.dressing():
            return self.method(*self.args, **self.kwargs)

    def dressing(self) -> AbstractContextManager[Any]:
        return self.adapters.worn_by(self.method.module) if self.adapters else nullcontext()


def answer_stacked(calls: Sequence[Call]) -> Any:
    """Runs one forward pass for calls that fit together; the rows of its result are in their order."""
    first = calls[0]
    leaves = stack([call.leaves for call in calls], first.kinds, [call.rows for call in calls])
    args, kwargs = rebuild(first.structure, iter(leaves))
    with first.dressing():
        return first.method(*args, **kwargs)


def _is_comparable(leaf: Any) -> bool:
    if isinstance(leaf, list):
        return all(map(_is_comparable, leaf))
    if isinstance(leaf, Tensor):
        return type(leaf) in (Tensor, torch.nn.Parameter) and leaf.layout is torch.strided
    return isinstance(leaf, (*PLAIN, torch.Generator))


def _kind(leaf: Any, rows: int) -> Kind:
    if not isinstance(leaf, Tensor):
        return Kind.LISTED if isinstance(leaf, list) else Kind.SHARED
    if leaf.ndim == 0:
        return Kind.SCALAR
    return Kind.ROWS if leaf.shape[0] == rows else Kind.SHARED


def _part(leaf: Any, kind: Kind) -> tuple[Any, ...]:
    """Returns one argument's part of the signature."""
    if kind is Kind.SCALAR:
        return kind, leaf.dtype, ()
    if kind is Kind.ROWS:
        return kind, leaf.dtype, tuple(leaf.shape[1:]), leaf.device
    if kind is Kind.LISTED:
        return kind, frozenset((tensor.dtype, tensor.shape, tensor.device) for tensor in leaf)
    if isinstance(leaf, Tensor):
        return kind, leaf.dtype, tuple(leaf.shape), leaf.device, digest(leaf)
    if isinstance(leaf, torch.Generator):
        return kind, torch.Generator
    return kind, type(leaf), leaf  # the type, because True == 1 == 1.0


def _loosened(part: tuple[Any, ...]) -> tuple[Any, ...]:
    if part[0] is Kind.LISTED:  # a module that takes lists takes tensors of different sizes
        return part[0], frozenset((dtype, len(shape), device) for dtype, shape, device in part[1])
    is_number = part[0] is not Kind.SHARED and part[2] == () and part[1] in NUMBERS
    return (part[0], "number", *part[2:]) if is_number else part
