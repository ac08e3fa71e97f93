"""How answers are compared, and what two calls must not have alike for that to prove anything."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from worker.engine.call import Call, is_floating, kind_of
from worker.engine.rows.stacking import Kind, flatten, rebuild, tensors_of

# By how much of its size a vector of a stacked answer may differ from the lone one: kernels vary with the row count.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 5e-2}
# A GPU convolves float32 in TensorFloat-32. A CPU does not: of 150 pipelines' modules none differed by more than 5e-6.
ON_CPU = TOLERANCE | {torch.float32: 3e-5}

Place: TypeAlias = tuple[str, int]  # an argument and one of its leaves


def open_places(calls: Sequence[Call], widest: Call) -> dict[Place, bool]:
    """Returns where there may be other values, and whether all rows of all calls have the same there now.

    That is so of the timestep of a first step, for instance. Integers that differ are left as they are.
    """
    columns = zip(*(call.leaves_like(widest) for call in calls), strict=True)
    found = {}
    for place, leaf, column in zip(_places(widest), widest.leaves, columns, strict=True):
        if kind_of(leaf, widest.rows) in (Kind.ROWS, Kind.SCALAR):
            first = leaf[:1] if leaf.ndim else leaf
            is_alike = all(bool((each == first).all()) for each in column)
            if is_alike or is_floating(leaf):
                found[place] = is_alike
    return found


def with_other_values(call: Call, places: Collection[Place]) -> Call:
    """Returns a call with other values there that are as good, and with random states of its own."""
    leaves = (
        _other_values(leaf) if place in places else leaf for place, leaf in zip(_places(call), call.leaves, strict=True)
    )
    arguments = {name: rebuild(argument.structure, leaves) for name, argument in call.arguments.items()}
    bound = call.method.bound(arguments)
    return Call(call.method, bound.args, bound.kwargs, call.adapters, [*call.random])


def leaves_at(places: Collection[Place], call: Call) -> Iterator[tuple[Place, Tensor]]:
    """Yields the tensors that a call has in these places."""
    for place, leaf in zip(_places(call), call.leaves, strict=True):
        if place in places and isinstance(leaf, Tensor):
            yield place, leaf


def difference(one: Call, other: Call) -> str:
    """Says in what two calls of a method differ that could each be stacked with others."""
    ours, theirs = ({name: term for name, *term in call.loose[1]} for call in (one, other) if call.loose)
    names = [name for name in sorted(ours | theirs) if ours.get(name) != theirs.get(name)]
    return "; ".join(f"{name} {_distinct(ours.get(name), theirs.get(name))}" for name in names)


def _distinct(one: Any, other: Any) -> str:
    if not one or not other:
        return "is given to some alone"
    if one[0] != other[0]:
        return "is built in another way"
    part, its = next(pair for pair in zip(one[1], other[1], strict=True) if pair[0] != pair[1])
    if part[0] is its[0] is Kind.ROWS:
        return "has rows of another shape or type"
    if isinstance(part[1], torch.dtype) and part[0] is its[0] is Kind.SHARED and len(part) == len(its) > 3:
        return "has not one row for each row, and is another tensor"
    return "is another value"


def _places(call: Call) -> Iterator[Place]:
    for name, argument in call.arguments.items():
        yield from ((name, number) for number in range(len(argument.leaves)))


def _other_values(leaf: Tensor) -> Tensor:
    """Halves integers, flips the last of ones and zeros, as in a mask, and moves other numbers a little more."""
    if is_floating(leaf):
        return leaf / 2 - 0.25
    if leaf.long().max() > 1:
        return leaf // 2
    other, last = leaf.clone(), (..., -1) if leaf.ndim > 1 else ...
    other[last] = (1 - leaf[last].long()).to(leaf.dtype)
    return other


def versions_of(calls: Sequence[Call]) -> list[int]:
    tensors = (tensor for call in calls for leaf in call.leaves for tensor in tensors_of(leaf))
    return [tensor._version for tensor in tensors if not tensor.is_inference()]


def agree(one: Any, other: Any, times: float = 1) -> bool:
    """Decides whether two results are the same within so many times the tolerance."""
    ones: list[Any] = []
    others: list[Any] = []
    is_same = flatten(one, ones) == flatten(other, others)
    return is_same and all(_is_close(*pair, times) for pair in zip(ones, others, strict=True))


def _is_close(one: Any, other: Any, times: float) -> bool:
    if not isinstance(one, Tensor):
        return one is other
    if one.dtype != other.dtype or not torch.equal(one.isfinite(), other.isfinite()):
        return False
    if one.dtype not in TOLERANCE:
        return torch.equal(one, other)
    tolerance = times * (ON_CPU if one.device.type == "cpu" else TOLERANCE)[one.dtype]
    difference, size = (one - other).nan_to_num(0, 0, 0).abs(), other.nan_to_num(0, 0, 0).abs()
    # Vector by vector: a mean over all would hide one wrong token, and a single number is at the mercy of rounding.
    return bool((difference.mean(-1) <= tolerance * (size.mean(-1) + size.mean())).all())
