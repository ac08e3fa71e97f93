import inspect
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from worker.engine.isolation.randomness import States
from worker.engine.rows.digest import digest
from worker.engine.rows.rounding import is_compiled
from worker.engine.rows.stacking import PLAIN, Kind, describe, flatten, is_floating, listed_rows, rebuild, tensors_of
from worker.engine.rows.wearing import Adapters, wearing

if TYPE_CHECKING:
    from worker.engine.adoption import Method

# Numbers that are exact in each other's stead: schedulers disagree on the type of a timestep.
NUMBERS = frozenset({torch.int32, torch.int64, torch.float32, torch.float64})

Place: TypeAlias = tuple[str, int]  # an argument and one of its leaves
Signature: TypeAlias = tuple[int, frozenset[tuple[Hashable, Hashable]]]


@dataclass(eq=False, repr=False)
class Call:
    """One forward pass that a run waits for.

    `exact` says which calls may be stacked with this one; `loose` is the same but for the number type of
    per-row numbers, such as timesteps, and for the sizes of tensors in lists. Both are None when it must be answered
    alone: `alone_because` says why. A lookup has only integers for tensors, such as the tokens of a text.
    """

    method: "Method"
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    adapters: Adapters | None = None
    random: States = field(default_factory=list)  # the run's own, for modules that draw

    def __post_init__(self) -> None:
        self.parked_at = 0  # the number of batches that the hub had answered then
        arguments = self.method.named(self.args, self.kwargs)
        self.listed = listed_rows(arguments)
        self.structures: dict[str, Hashable] = {}
        self.leaves: dict[Place, Any] = {}
        for name, value in arguments.items():
            leaves: list[Any] = []
            self.structures[name] = flatten(value, leaves, self.listed)
            self.leaves |= {(name, number): leaf for number, leaf in enumerate(leaves)}
        lengths = (len(leaf) for leaf in self.leaves.values() if isinstance(leaf, Tensor) and leaf.ndim)
        self.rows = self.listed or next(lengths, 0)
        self.generators = [leaf for leaf in self.leaves.values() if isinstance(leaf, torch.Generator)]
        self.alone_because = self._foreign()
        self.is_lookup = not (self.alone_because or self.generators or any(map(is_floating, self.leaves.values())))
        self.exact: Signature | None = None
        self.loose: Signature | None = None
        if not self.alone_because:
            parts = {place: _part(leaf, self.rows) for place, leaf in self.leaves.items()}
            loose = {place: _loosened(part) for place, part in parts.items()}
            self.exact = self.method.number, frozenset([*self.structures.items(), *parts.items()])
            self.loose = self.method.number, frozenset([*self.structures.items(), *loose.items()])

    @property
    def tensors(self) -> Iterator[Tensor]:
        return (tensor for leaf in self.leaves.values() for tensor in tensors_of(leaf))

    @property
    def is_rounded_as_alone(self) -> bool:
        """Whether it is to be, in company: on a CPU, where no part of the module is compiled."""
        return next(self.tensors).device.type == "cpu" and not is_compiled(self.method.module)

    def answer(self) -> Any:
        """Runs the forward pass for this call alone, with the very arguments it was made with."""
        with wearing([(self.adapters, self.rows)]):
            return self.method(*self.args, **self.kwargs)

    def bound(self, leaves: Iterator[Any]) -> inspect.BoundArguments:
        """Returns arguments that are built as this call's, of other leaves."""
        return self.method.bound({name: rebuild(built, leaves) for name, built in self.structures.items()})

    def lacks_only_rows_of(self, wider: "Call") -> bool:
        """Whether this call would be like a wider one if it had zeros for the tensors of some optional arguments."""
        if not self.loose or not wider.loose or self.method is not wider.method or not self.loose[1] < wider.loose[1]:
            return False
        more = [leaf for (name, _), leaf in wider.leaves.items() if name not in self.structures]
        return all(is_floating(leaf) and leaf.ndim and len(leaf) == wider.rows for leaf in more)

    def leaves_like(self, wider: "Call") -> list[Any]:
        """Returns this call's leaves in the order of a wider one's, with zeros where it has none."""
        return [
            self.leaves[place] if place in self.leaves else leaf.new_zeros(self.rows, *leaf.shape[1:])
            for place, leaf in wider.leaves.items()
        ]

    def _foreign(self) -> str | None:
        if not self.rows:
            return "no argument is a tensor with rows"
        foreign = [leaf for leaf in self.leaves.values() if not _is_comparable(leaf)]
        return f"an argument holds {describe(foreign[0])}, which cannot be compared" if foreign else None


def _is_comparable(leaf: Any) -> bool:
    if isinstance(leaf, list):
        return all(map(_is_comparable, leaf))
    if isinstance(leaf, Tensor):
        return type(leaf) in (Tensor, torch.nn.Parameter) and leaf.layout is torch.strided
    return isinstance(leaf, (*PLAIN, torch.Generator))


def _part(leaf: Any, rows: int) -> tuple[Any, ...]:
    """Returns one leaf's part of the signature."""
    kind = Kind.of(leaf, rows)
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
