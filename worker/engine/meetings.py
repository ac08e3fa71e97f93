from collections import Counter
from collections.abc import Collection, Hashable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from worker.engine.adoption import Method
from worker.engine.batch import Batch
from worker.engine.call import Call, Place
from worker.engine.rows.digest import digest
from worker.engine.rows.wearing import kinds_of
from worker.engine.stats import NeverStacked

SIZES = 8  # meetings of lists with tensors of different sizes after which any sizes are of one kind: they never end


class Meetings:
    """Knows which calls may be stacked: those whose kinds have met and were seen to give what each gives alone."""

    def __init__(self) -> None:
        self.never_stacked: set[NeverStacked] = set()
        self._circles: list[set[Hashable]] = []  # of kinds of calls: in each, any may be stacked with any
        self._traits_met: set[Hashable] = set()
        self._refused: set[Hashable] = set()  # signatures; with "worn" if with different adapters; pairs if filled
        self._inert: set[Hashable] = set()  # signatures of calls that leave their generators as they are
        self._held: dict[int, set[Place]] = {}  # by methods: what must be alike in calls though it looks like rows
        self._sizes_met: Counter[Hashable] = Counter()

    def join(self, one: Call, other: Call) -> Call | None:
        """Returns the wider of two calls if they may be stacked, else None."""
        if one.method is not other.method or not (self._may_meet(one) and self._may_meet(other)):
            return None
        if one.adapters != other.adapters and not self._refused.isdisjoint(
            (("worn", one.loose), ("worn", other.loose))
        ):
            return None
        narrow, wide = sorted((one, other), key=lambda call: len(call.structures))
        return wide if self._is_like(narrow, wide) and self._held_in(narrow) == self._held_in(wide) else None

    def _is_like(self, narrow: Call, wide: Call) -> bool:
        if narrow.exact == wide.exact:
            return True
        is_open = self._refused.isdisjoint((narrow.loose, wide.loose, (narrow.loose, wide.loose)))
        return is_open and (narrow.loose == wide.loose or narrow.lacks_only_rows_of(wide))

    def _may_meet(self, call: Call) -> bool:
        if call.alone_because:
            self._note(call, call.alone_because)
            return False
        return call.exact not in self._refused and (not call.generators or call.exact in self._inert)

    def _held_in(self, call: Call) -> dict[Place, bytes]:
        held = {place: call.leaves.get(place) for place in self._held.get(call.method.number, ())}
        return {place: digest(leaf) for place, leaf in held.items() if isinstance(leaf, Tensor)}

    @contextmanager
    def watching(self, call: Call) -> Iterator[None]:
        """Sees whether the call draws from the generators that it has."""
        is_known = call.exact in self._inert or call.exact in self._refused
        watched = [] if is_known else [(generator, generator.get_state()) for generator in call.generators]
        yield
        if not all(torch.equal(generator.get_state(), state) for generator, state in watched):
            self._refused.add(call.exact)
            self._note(call, "it draws from its generator")
        elif watched:
            self._inert.add(call.exact)

    def is_agreed(self, batch: Batch) -> bool:
        """Whether calls of these kinds were seen to give stacked what they give alone."""
        kinds = {self._kind(call, batch) for call in batch.calls}
        traits = frozenset().union(*(self._traits(call, batch) for call in batch.calls))
        return traits <= self._traits_met and any(kinds <= circle for circle in self._circles)

    def strangers(self, batch: Batch) -> Batch:
        """Returns the calls that have to meet for all to be stacked: new ones, one of each kind, and a known one."""
        kinds = {call: self._kind(call, batch) for call in batch.calls}
        circle = max(self._circles, key=lambda circle: len(circle & {*kinds.values()}), default=set())
        known = circle | self._traits_met
        chosen = {frozenset([kinds[call], *self._traits(call, batch)]) - known: call for call in batch.calls}
        ends = batch.widest, batch.calls[0], batch.calls[-1]  # whose adapters differ if any do
        return Batch([call for call in batch.calls if call in (*chosen.values(), *ends)])

    def agree(self, batch: Batch) -> None:
        """Takes calls of these kinds into the circle of those that they are of one kind with, or makes them one."""
        kinds = {self._kind(call, batch) for call in batch.calls}
        known = [circle for circle in self._circles if circle & kinds]
        self._circles = [circle for circle in self._circles if circle not in known] + [kinds.union(*known)]
        self._traits_met.update(*(self._traits(call, batch) for call in batch.calls))
        first = batch.calls[0]
        if first.listed and any(call.exact != first.exact for call in batch.calls):
            self._sizes_met[first.loose] += 1

    def hold(self, method: Method, places: Collection[Place]) -> None:
        """Has calls meet from now on only if they have the same there."""
        self._held.setdefault(method.number, set()).update(places)

    def refuse(self, batch: Batch, reason: str) -> None:
        first = batch.calls[0]
        if batch.is_mixed:
            self._refused |= {("worn", call.loose) for call in batch.calls}
            self._note(first, f"{reason} (adapters mixed)")
        elif batch.filled:
            self._refused |= {(call.loose, batch.widest.loose) for call in batch.filled}
        elif any(call.exact != first.exact for call in batch.calls):
            self._refused.add(first.loose)
            self._note(first, f"{reason} (mixed)")
        else:
            self._refused.add(first.exact)
            self._note(first, reason)

    def _kind(self, call: Call, batch: Batch) -> Hashable:
        """A single row is a kind of its own: for one, kernels are others than for several."""
        has_any_size = self._sizes_met[call.loose] >= SIZES and not batch.is_mixed
        return call.loose if has_any_size else call.exact, call.rows == 1

    def _traits(self, call: Call, batch: Batch) -> frozenset[Hashable]:
        """Returns what else a call brings to a batch: the arguments that are zeros for it, and what its rows wear.

        How strong adapters are is left out: that is the same code for all.
        """
        number, zeros = call.method.number, frozenset(batch.widest.structures.keys() - call.structures.keys())
        return frozenset([(number, zeros), *((number, kind, batch.is_mixed) for kind in kinds_of(call.adapters))])

    def _note(self, call: Call, reason: str) -> None:
        self.never_stacked.add(NeverStacked(call.method.model, call.method.name, reason))
