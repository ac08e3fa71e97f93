from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from worker.engine.isolation.randomness import States
from worker.engine.rows.digest import digest
from worker.engine.rows.rounding import AsAlone, is_compiled
from worker.engine.rows.stacking import Kind, describe, flatten, listed_rows, rebuild, stack, tensors_of
from worker.engine.rows.wearing import Adapters, wearing

if TYPE_CHECKING:
    from worker.engine.adoption import Method

PLAIN = (type(None), bool, int, float, str, torch.dtype, torch.device)
# Numbers that are exact in each other's stead: schedulers disagree on the type of a timestep.
NUMBERS = frozenset({torch.int32, torch.int64, torch.float32, torch.float64})

# One for each argument: its name, structure and what its leaves must have in common.
Terms: TypeAlias = frozenset[tuple[str, Hashable, tuple[Any, ...]]]


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
        self.arguments = {name: Argument.of(value, self.listed) for name, value in arguments.items()}
        self.leaves = [leaf for argument in self.arguments.values() for leaf in argument.leaves]
        first = (leaf.shape[0] for leaf in self.leaves if isinstance(leaf, Tensor) and leaf.ndim)
        self.rows = self.listed or next(first, 0)
        self.generators = [leaf for leaf in self.leaves if isinstance(leaf, torch.Generator)]
        self.alone_because = self._foreign()
        self.is_lookup = not self.alone_because and not self.generators and not any(map(is_floating, self.leaves))
        self.exact: tuple[int, Terms] | None = None
        self.loose: tuple[int, Terms] | None = None
        if not self.alone_because:
            terms = [
                (name, argument.structure, tuple(_part(leaf, self.rows) for leaf in argument.leaves))
                for name, argument in self.arguments.items()
            ]
            loose = [(name, structure, tuple(map(_loosened, parts))) for name, structure, parts in terms]
            self.exact = self.method.number, frozenset(terms)
            self.loose = self.method.number, frozenset(loose)

    @property
    def is_rounded_as_alone(self) -> bool:
        """Whether it is to be, in company: on a CPU, where no part of the module is compiled."""
        device = next(tensors_of(leaf)[0] for leaf in self.leaves if tensors_of(leaf)).device
        return device.type == "cpu" and not is_compiled(self.method.module)

    def _foreign(self) -> str | None:
        if not self.rows:
            return "no argument is a tensor with rows"
        foreign = [leaf for leaf in self.leaves if not _is_comparable(leaf)]
        return f"an argument holds {describe(foreign[0])}, which cannot be compared" if foreign else None

    def answer(self) -> Any:
        """Runs the forward pass for this call alone, with the very arguments it was made with."""
        with wearing([(self.adapters, self.rows)]):
            return self.method(*self.args, **self.kwargs)

    def lacks_only_rows_of(self, wider: "Call") -> bool:
        """Whether this call would be like a wider one if it had zeros for the tensors of some optional arguments."""
        if not self.loose or not wider.loose or self.method is not wider.method or not self.loose[1] < wider.loose[1]:
            return False
        more = [argument for name, argument in wider.arguments.items() if name not in self.arguments]
        leaves = [leaf for argument in more for leaf in argument.leaves]
        return all(is_floating(leaf) and leaf.ndim and leaf.shape[0] == wider.rows for leaf in leaves)

    def leaves_like(self, wider: "Call") -> Iterator[Any]:
        """Yields this call's leaves in the order of a wider one's, with zeros where it has none."""
        for name, argument in wider.arguments.items():
            if name in self.arguments:
                yield from self.arguments[name].leaves
            else:
                yield from (leaf.new_zeros(self.rows, *leaf.shape[1:]) for leaf in argument.leaves)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call, taken apart."""

    structure: Hashable
    leaves: list[Any]

    @classmethod
    def of(cls, value: Any, listed: int) -> "Argument":
        leaves: list[Any] = []
        return cls(flatten(value, leaves, listed), leaves)


def widest_of(calls: Sequence[Call]) -> Call:
    return max(calls, key=lambda call: len(call.arguments))


def answer_stacked(calls: Sequence[Call], widest: Call, layouts: Sequence[torch.memory_format] = ()) -> Any:
    """Runs one forward pass for calls that fit together; the rows of its result are in their order.

    Each call has zeros for the arguments that it lacks and the widest has. `layouts` are for AsAlone.
    """
    kinds = [kind_of(leaf, widest.rows) for leaf in widest.leaves]
    leaves = iter(stack([[*call.leaves_like(widest)] for call in calls], kinds, [call.rows for call in calls]))
    arguments = {name: rebuild(argument.structure, leaves) for name, argument in widest.arguments.items()}
    with (
        wearing([(call.adapters, call.rows) for call in calls]),
        AsAlone(layouts) if widest.is_rounded_as_alone else nullcontext(),
    ):
        bound = widest.method.bound(arguments)
        return widest.method(*bound.args, **bound.kwargs)


def is_floating(leaf: Any) -> bool:
    return any(tensor.dtype.is_floating_point or tensor.dtype.is_complex for tensor in tensors_of(leaf))


def _is_comparable(leaf: Any) -> bool:
    if isinstance(leaf, list):
        return all(map(_is_comparable, leaf))
    if isinstance(leaf, Tensor):
        return type(leaf) in (Tensor, torch.nn.Parameter) and leaf.layout is torch.strided
    return isinstance(leaf, (*PLAIN, torch.Generator))


def kind_of(leaf: Any, rows: int) -> Kind:
    if not isinstance(leaf, Tensor):
        return Kind.LISTED if isinstance(leaf, list) else Kind.SHARED
    if leaf.ndim == 0:
        return Kind.SCALAR
    return Kind.ROWS if leaf.shape[0] == rows else Kind.SHARED


def _part(leaf: Any, rows: int) -> tuple[Any, ...]:
    """Returns one leaf's part of the signature."""
    kind = kind_of(leaf, rows)
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
