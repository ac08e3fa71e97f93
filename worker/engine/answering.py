from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from worker.engine.adoption import Method
from worker.engine.call import Call, answer_stacked, widest_of
from worker.engine.memo import Memo
from worker.engine.randomness import own
from worker.engine.run import Answer, forget_tensors
from worker.engine.stacking import CannotSplit, flatten, split, tensors_of
from worker.engine.stats import NeverStacked
from worker.engine.wearing import kinds_of

# By how much of its size a vector of a stacked answer may differ from the lone one: kernels vary with the row count.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 5e-2}

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
        self._agreed: set[Meeting] = set()
        self._refused: set[Hashable] = set()
        self._unmixed: set[Hashable] = set()
        self._inert: set[Hashable] = set()
        self._limits: dict[Hashable, int] = {}
        self._sizes_met: Counter[Hashable] = Counter()
        self._memo = Memo()
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
        return wide if is_open and narrow.lacks_only_rows_of(wide) else None

    def _group(self, call: Call) -> Hashable:
        """Returns what is equal for calls that may be stacked, or None for a call to be answered alone."""
        if call.alone_because:
            self._note(call, call.alone_because)
            return None
        if call.exact in self._refused or (call.generators and call.exact not in self._inert):
            return None
        return call.exact if call.loose in self._refused else call.loose

    def row_limit(self, call: Call) -> int:
        """Returns how many rows one forward pass of this kind may have."""
        limit = self.max_pictures if call.method.is_of_pictures else self.max_rows
        return min(limit, self._limits.get(call.loose, limit))

    def forget(self) -> None:
        """Frees what is remembered of earlier answers; any thread may ask for it."""
        self._memo = Memo()

    def answer(self, calls: Sequence[Call]) -> list[Answer]:
        """Answers a batch, each call by its rows; a call that fails on its own is answered with its error."""
        first = calls[0]
        first.method.calls += len(calls)
        if first.is_lookup and not first.method.module.training:
            return self._memo.answer(calls, self._answer)
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
        return call.loose if self._sizes_met[call.loose] >= SIZES and not is_mixed else call.exact

    def _is_agreed(self, meeting: Meeting) -> bool:
        """Whether calls of these kinds, with others or without, were seen to give stacked what they give alone."""
        if meeting not in self._agreed and any(meeting < larger for larger in self._agreed):
            self._agreed.add(meeting)
        return meeting in self._agreed

    def _answer_alone(self, call: Call) -> Answer:
        self._count(call.method, call.rows)
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
        rows = [call.rows for call in calls]
        self._count(calls[0].method, sum(rows))
        return [Answer(part) for part in split(answer_stacked(calls, widest_of(calls)), rows, calls[0].listed > 0)]

    def _answer_apart(self, calls: Sequence[Call], error: Exception) -> list[Answer]:
        answers = [self._answer_alone(call) for call in calls]
        if not any(answer.error for answer in answers):  # then stacking was the culprit
            self._refuse_meeting(calls, f"fails stacked: {error!r}")
        return answers

    def _halve(self, calls: Sequence[Call]) -> None:
        self.forget()
        self._limits[calls[0].loose] = max(1, sum(call.rows for call in calls) // 2)

    def _meet(self, calls: Sequence[Call], meeting: Meeting) -> list[Answer]:
        """Answers calls one by one, and has such calls stacked from then on if that gives the same."""
        before = _versions(calls)
        answers = [self._answer_alone(call) for call in calls]
        if any(answer.error for answer in answers):
            return answers
        results = [answer.result for answer in answers]
        try:
            objection = "it changes its arguments" if _versions(calls) != before else self._objection(calls, results)
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
        elif not all(_agree(results[0], result, times=4) for result in results[1:]):
            self._agreed.add(meeting)
            if calls[0].listed and len({call.exact for call in calls}) > 1:
                self._sizes_met[calls[0].loose] += 1
        return answers

    def _objection(self, calls: Sequence[Call], alone: Sequence[Any]) -> str:
        """Says what is wrong with stacking these calls, which have these results alone."""
        stacked = self._answer_stacked(calls)
        if not all(_agree(one.result, other) for one, other in zip(stacked, alone, strict=True)):
            return "stacked answers differ from lone ones"
        if not self._are_zeros_neutral(calls, alone):
            return "zeros for an argument that it lacks change the answer"
        return ""

    def _are_zeros_neutral(self, calls: Sequence[Call], alone: Sequence[Any]) -> bool:
        """Whether calls that lack an argument of the widest get the very same answer with zeros for it."""
        widest = widest_of(calls)
        for call, result in zip(calls, alone, strict=True):
            if len(call.arguments) < len(widest.arguments):
                self._count(call.method, call.rows)
                if not _agree(answer_stacked([call], widest), result, times=0):
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
        method.forwards += 1
        method.rows += rows


def _are_mixed(calls: Sequence[Call]) -> bool:
    return any(call.adapters != calls[0].adapters for call in calls)


def _versions(calls: Sequence[Call]) -> list[int]:
    tensors = (tensor for call in calls for leaf in call.leaves for tensor in tensors_of(leaf))
    return [tensor._version for tensor in tensors if not tensor.is_inference()]


def _agree(one: Any, other: Any, times: float = 1) -> bool:
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
    difference, size = (one - other).nan_to_num(0, 0, 0).abs(), other.nan_to_num(0, 0, 0).abs()
    # Vector by vector: a mean over all would hide one wrong token, and a single number is at the mercy of rounding.
    allowed = times * TOLERANCE[one.dtype] * (size.mean(-1) + size.mean())
    return bool((difference.mean(-1) <= allowed).all())
