"""The check of a first meeting: what it proves of calls that were answered alone and are now answered stacked."""

from collections.abc import Collection, Sequence
from typing import Any

from torch import OutOfMemoryError, Tensor

from worker.engine.agreement import agree
from worker.engine.batch import Batch
from worker.engine.call import Call, Place
from worker.engine.forwards import Forwards
from worker.engine.rows.stacking import CannotStack, Kind, is_floating


def check(batch: Batch, alone: Sequence[Any], forwards: Forwards) -> Collection[Place]:
    """Returns what calls like these must have alike to be stacked, though it looks like rows: nothing as a rule.

    `alone` are the calls' lone results. Raises CannotStack with what is wrong with stacking them.
    """
    stacked = forwards.together(batch)
    if not agree(stacked, alone):
        raise CannotStack("stacked answers differ from lone ones")
    if not all(_is_filled_with_nothing(call, batch, alone, forwards) for call in batch.filled):
        raise CannotStack("zeros for an argument that it lacks change the answer")
    places = _open_places(batch)
    if _are_rows_apart(batch, stacked, [*places], forwards):
        return ()
    touching = [place for place in places if not _are_rows_apart(batch, stacked, [place], forwards)]
    if not touching or not all(places[place] for place in touching):
        raise CannotStack("its rows depend on each other")
    return touching


def _is_filled_with_nothing(call: Call, batch: Batch, alone: Sequence[Any], forwards: Forwards) -> bool:
    """Whether a call that lacks an argument of the widest gets the very same answer with zeros for it."""
    filled = forwards.together(Batch([call], batch.widest), is_counted=False)
    return agree(filled, [alone[batch.calls.index(call)]], times=0)


def _are_rows_apart(batch: Batch, stacked: Sequence[Any], places: Sequence[Place], forwards: Forwards) -> bool:
    """Whether other values in one call touch no other call's answer, and its own as they do alone.

    What is alike in a first meeting, such as the timestep of a first step, proves nothing for later ones
    otherwise: a module may take the first row's for all. And what others do to a row may be too little to be told
    from rounding, until they are others.
    """
    index = batch.calls.index(batch.widest)
    before, after = batch.calls[:index], batch.calls[index + 1 :]
    other = _with_other_values(batch.widest, places)
    answer = forwards.uncounted(other)
    if isinstance(answer.error, OutOfMemoryError):
        raise answer.error
    if answer.error:
        return False
    results = forwards.together(Batch([*before, other, *after]), is_counted=False)
    return agree(results.pop(index), answer.result) and agree(
        results, [*stacked[:index], *stacked[index + 1 :]], times=0.03
    )


def _open_places(batch: Batch) -> dict[Place, bool]:
    """Returns where there may be other values, and whether all rows of all calls have the same there now.

    That is so of the timestep of a first step, for instance. Integers that differ are left as they are.
    """
    columns = zip(*(call.leaves_like(batch.widest) for call in batch.calls), strict=True)
    found = {}
    for (place, leaf), column in zip(batch.widest.leaves.items(), columns, strict=True):
        if Kind.of(leaf, batch.widest.rows) in (Kind.ROWS, Kind.SCALAR):
            first = leaf[:1] if leaf.ndim else leaf
            is_alike = all(bool((each == first).all()) for each in column)
            if is_alike or is_floating(leaf):
                found[place] = is_alike
    return found


def _with_other_values(call: Call, places: Collection[Place]) -> Call:
    """Returns a call with other values there that are as good, and with random states of its own."""
    leaves = (_other_values(leaf) if place in places else leaf for place, leaf in call.leaves.items())
    bound = call.bound(leaves)
    return Call(call.method, bound.args, bound.kwargs, call.adapters, [*call.random])


def _other_values(leaf: Tensor) -> Tensor:
    """Halves integers, flips the last of ones and zeros, as in a mask, and moves other numbers a little more."""
    if is_floating(leaf):
        return leaf / 2 - 0.25
    if leaf.long().max() > 1:
        return leaf // 2
    other, last = leaf.clone(), (..., -1) if leaf.ndim > 1 else ...
    other[last] = (1 - leaf[last].long()).to(leaf.dtype)
    return other
