from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any, TypeAlias

import torch

from worker.engine.adoption import Method
from worker.engine.call import Call, answer_stacked, widest_of
from worker.engine.comparing import (
    Place,
    agree,
    difference,
    leaves_at,
    open_places,
    versions_of,
    with_other_values,
)
from worker.engine.isolation.randomness import own
from worker.engine.memo import Memo
from worker.engine.rows.digest import digest
from worker.engine.rows.rounding import Layouts
from worker.engine.rows.stacking import CannotSplit, split
from worker.engine.rows.wearing import kinds_of
from worker.engine.run import Answer, forget_tensors
from worker.engine.stats import NeverStacked

SIZES = 8  # meetings of lists with tensors of different sizes after which any sizes are of one kind: they never end

Meeting: TypeAlias = frozenset[Hashable]  # the kinds of the calls in a batch


class Answering:
    """Answers calls by forward passes, and remembers what may be stacked.

    Stacking is believed only once a first meeting was seen to give what the lone answers give.
    """

    def __init__(self, max_rows: int, max_pictures: int, alive: Callable[[], None]) -> None:
        self.max_rows = max_rows
        self.max_pictures = max_pictures
        self.never_stacked: set[NeverStacked] = set()
        self.apart: set[NeverStacked] = set()
        self._agreed: set[Meeting] = set()
        self._refused: set[Hashable] = set()
        self._unmixed: set[Hashable] = set()
        self._inert: set[Hashable] = set()
        self._held: dict[Method, set[Place]] = {}  # what must be alike in calls though it looks like rows
        self._layouts: dict[Hashable, Sequence[torch.memory_format]] = {}  # of lone rows, layer by layer
        self._limits: dict[Hashable, int] = {}
        self._sizes_met: Counter[Hashable] = Counter()
        self.memo = Memo()
        self.halvings = 0  # of batches that the memory was too small for
        self._alive = alive

    def join(self, one: Call, other: Call) -> Call | None:
        """Returns the wider of two calls if they may be stacked, else None."""
        if (
            one.method is not other.method
            or (key := self._group(one)) is None
            or (key_of_other := self._group(other)) is None
        ):
            return None
        if one.adapters != other.adapters and not self._unmixed.isdisjoint((one.loose, other.loose)):
            return None
        if key == key_of_other:
            return one
        narrow, wide = (one, other) if len(one.arguments) < len(other.arguments) else (other, one)
        is_open = self._refused.isdisjoint((narrow.loose, wide.loose, (narrow.loose, wide.loose)))
        if is_open and narrow.lacks_only_rows_of(wide) and self._held_in(narrow) == self._held_in(wide):
            return wide
        if reason := difference(one, other) or self._held_names(one):
            self.apart.add(NeverStacked(one.method.model, one.method.name, reason))
        return None

    def _group(self, call: Call) -> Hashable:
        """Returns what is equal for calls that may be stacked, or None for a call to be answered alone."""
        if call.alone_because:
            self._note(call, call.alone_because)
            return None
        if call.exact in self._refused or (call.generators and call.exact not in self._inert):
            return None
        return call.exact if call.loose in self._refused else call.loose, self._held_in(call)

    def _held_in(self, call: Call) -> Hashable:
        return frozenset((place, digest(leaf)) for place, leaf in leaves_at(self._held.get(call.method, ()), call))

    def _held_names(self, call: Call) -> str:
        names = sorted({name for name, _ in self._held.get(call.method, ())})
        return f"{', '.join(names)} must be alike" if names else ""

    def row_limit(self, call: Call) -> int:
        """Returns how many rows one forward pass of this kind may have."""
        limit = self.max_pictures if call.method.is_of_pictures else self.max_rows
        return min(limit, self._limits.get(call.loose, limit))

    def forget(self) -> None:
        """Frees what is remembered of earlier answers; any thread may ask for it."""
        self.memo = Memo(lookups=self.memo.lookups)

    def answer(self, calls: Sequence[Call]) -> list[Answer]:
        """Answers a batch, each call by its rows; a call that fails on its own is answered with its error."""
        first = calls[0]
        first.method.calls += len(calls)
        if first.is_lookup and not first.method.module.training:
            return self.memo.answer(calls, self._answer)
        return self._answer(calls)

    def _answer(self, calls: Sequence[Call]) -> list[Answer]:
        if len(calls) == 1:
            return [self._answer_alone(calls[0])]
        meeting = self._meeting(calls)
        if not self._is_agreed(meeting):
            return self._meet(calls, meeting)
        try:
            return self._answer_stacked(calls)
        except torch.OutOfMemoryError:
            self._halve(calls)
        except Exception as error:  # a module may raise anything, and only the culprit's run must fail
            return self._answer_apart(calls, error)
        middle = len(calls) // 2
        return self._answer(calls[:middle]) + self._answer(calls[middle:])

    def _meeting(self, calls: Sequence[Call]) -> Meeting:
        """Returns what must have met. How strong adapters are is left out: that is the same code for all."""
        widest = frozenset(widest_of(calls).arguments)
        is_mixed = _are_mixed(calls)
        return frozenset(
            (self._kind(call, is_mixed), kind, is_mixed, widest) for call in calls for kind in kinds_of(call.adapters)
        )

    def _kind(self, call: Call, is_mixed: bool) -> Hashable:
        """A single row is a kind of its own: for one, kernels are others than for several."""
        kind = call.loose if self._sizes_met[call.loose] >= SIZES and not is_mixed else call.exact
        return kind, call.rows == 1

    def _is_agreed(self, meeting: Meeting) -> bool:
        """Whether calls of these kinds, with others or without, were seen to give stacked what they give alone."""
        if meeting not in self._agreed and any(meeting < larger for larger in self._agreed):
            self._agreed.add(meeting)
        return meeting in self._agreed

    def _answer_alone(self, call: Call) -> Answer:
        self._count(call.method, call.rows)
        return self._run(call)

    def _answer_and_note(self, call: Call) -> Answer:
        if call.rows > 1 or not call.is_rounded_as_alone:
            return self._answer_alone(call)
        with Layouts() as layouts:
            answer = self._answer_alone(call)
        self._layouts[call.loose] = layouts.seen
        return answer

    def _run(self, call: Call) -> Answer:
        """Runs the forward pass of one call, and sees whether it draws from the generators that it has."""
        self._alive()
        is_known = not call.generators or call.exact in self._inert or call.exact in self._refused
        states = [] if is_known else [generator.get_state() for generator in call.generators]
        try:
            with own(call.random):
                answer = Answer(call.answer())
        except Exception as error:  # it is thrown into the run that asked
            forget_tensors(error)  # the calls behind this one need the memory
            return Answer(error=error)
        if is_known:
            return answer
        if all(torch.equal(one.get_state(), state) for one, state in zip(call.generators, states, strict=True)):
            self._inert.add(call.exact)
        else:
            self._refused.add(call.exact)
            self._note(call, "it draws from its generator")
        return answer

    def _answer_stacked(self, calls: Sequence[Call]) -> list[Answer]:
        self._count(calls[0].method, sum(call.rows for call in calls))
        return [Answer(result) for result in self._results_stacked(calls)]

    def _answer_apart(self, calls: Sequence[Call], error: Exception) -> list[Answer]:
        answers = [self._answer_alone(call) for call in calls]
        if not any(answer.error for answer in answers):  # then stacking was the culprit
            self._refuse_meeting(calls, f"fails stacked: {error!r}")
        return answers

    def _halve(self, calls: Sequence[Call]) -> None:
        self.halvings += 1
        self.forget()
        self._limits[calls[0].loose] = max(1, sum(call.rows for call in calls) // 2)

    def _meet(self, calls: Sequence[Call], meeting: Meeting) -> list[Answer]:
        """Answers calls one by one, and has such calls stacked from then on if that gives the same."""
        before = versions_of(calls)
        answers = [self._answer_and_note(call) for call in calls]
        if any(answer.error for answer in answers):
            return answers
        results = [answer.result for answer in answers]
        try:
            objection = "it changes its arguments" if versions_of(calls) != before else self._objection(calls, results)
        except torch.OutOfMemoryError:
            self._halve(calls)
            return answers
        except CannotSplit as error:
            objection = str(error)
        except Exception as error:  # a module may raise anything
            objection = f"fails stacked: {error!r}"
        if objection:
            self._refuse_meeting(calls, objection)
        # Calls with one and the same answer prove nothing: what mixes rows would show only in different ones.
        elif not all(agree(results[0], result, times=4) for result in results[1:]):
            self._agreed.add(meeting)
            if calls[0].listed and len({call.exact for call in calls}) > 1:
                self._sizes_met[calls[0].loose] += 1
        return answers

    def _objection(self, calls: Sequence[Call], alone: Sequence[Any]) -> str:
        """Says what is wrong with stacking these calls, which have these results alone."""
        stacked = [answer.result for answer in self._answer_stacked(calls)]
        if not agree(stacked, alone):
            return "stacked answers differ from lone ones"
        if not self._are_zeros_neutral(calls, alone):
            return "zeros for an argument that it lacks change the answer"
        places = open_places(calls, widest_of(calls))
        if self._are_rows_apart(calls, stacked, places):
            return ""
        touching = [place for place in places if not self._are_rows_apart(calls, stacked, [place])]
        if not touching or not all(places[place] for place in touching):
            return "its rows depend on each other"
        self._held.setdefault(calls[0].method, set()).update(touching)
        return ""

    def _are_rows_apart(self, calls: Sequence[Call], stacked: Sequence[Any], places: Collection[Place]) -> bool:
        """Whether other values in one call touch no other call's answer, and its own as they do alone.

        What is alike in a first meeting, such as the timestep of a first step, proves nothing for later ones
        otherwise: a module may take the first row's for all. And what others do to a row may be too little to be told
        from rounding, until they are others.
        """
        index = calls.index(widest_of(calls))
        other = with_other_values(calls[index], places)
        answer = self._run(other)
        if isinstance(answer.error, torch.OutOfMemoryError):
            raise answer.error
        if answer.error:
            return False
        results = self._results_stacked([*calls[:index], other, *calls[index + 1 :]])
        own, before = results.pop(index), [*stacked[:index], *stacked[index + 1 :]]
        return agree(own, answer.result) and agree(results, before, times=0.03)

    def _results_stacked(self, calls: Sequence[Call]) -> list[Any]:
        self._alive()
        layouts = next((self._layouts[call.loose] for call in calls if call.loose in self._layouts), ())
        result = answer_stacked(calls, widest_of(calls), layouts)
        return split(result, [call.rows for call in calls], calls[0].listed > 0)

    def _are_zeros_neutral(self, calls: Sequence[Call], alone: Sequence[Any]) -> bool:
        """Whether calls that lack an argument of the widest get the very same answer with zeros for it."""
        widest = widest_of(calls)
        for call, result in zip(calls, alone, strict=True):
            if len(call.arguments) < len(widest.arguments):
                self._count(call.method, call.rows)
                if not agree(answer_stacked([call], widest), result, times=0):
                    return False
        return True

    def _refuse_meeting(self, calls: Sequence[Call], reason: str) -> None:
        if _are_mixed(calls):
            self._unmixed |= {call.loose for call in calls}
            self._note(calls[0], f"{reason} (adapters mixed)")
            return
        widest = widest_of(calls)
        filled = {(call.loose, widest.loose) for call in calls if len(call.arguments) < len(widest.arguments)}
        if filled:
            self._refused |= filled
            return
        is_mixed = len({call.exact for call in calls}) > 1
        self._refused.add(calls[0].loose if is_mixed else calls[0].exact)
        self._note(calls[0], f"{reason} (mixed)" if is_mixed else reason)

    def _note(self, call: Call, reason: str) -> None:
        self.never_stacked.add(NeverStacked(call.method.model, call.method.name, reason))

    def _count(self, method: Method, rows: int) -> None:
        self._alive()
        method.forwards[rows] += 1


def _are_mixed(calls: Sequence[Call]) -> bool:
    return any(call.adapters != calls[0].adapters for call in calls)
