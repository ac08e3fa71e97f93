from collections.abc import Callable, Hashable, Sequence

import torch

from worker.engine.agreement import agree
from worker.engine.batch import Batch
from worker.engine.call import Call
from worker.engine.check import check
from worker.engine.forwards import Forwards
from worker.engine.meetings import Meetings
from worker.engine.memo import Memo
from worker.engine.rows.stacking import CannotStack
from worker.engine.run import Answer


class Answering:
    """Answers calls by forward passes.

    Stacking is believed only once a first meeting was seen to give what the lone answers give.
    """

    def __init__(self, max_rows: int, max_pictures: int, alive: Callable[[], None]) -> None:
        self.max_rows = max_rows
        self.max_pictures = max_pictures
        self.meetings = Meetings()
        self.memo = Memo()
        self.halvings = 0  # of batches that the memory was too small for
        self._limits: dict[Hashable, int] = {}
        self._forwards = Forwards(alive, self.meetings.watching)

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
        if first.is_lookup and not (first.method.module.training or first.method.fingerprint.is_changed()):
            return self.memo.answer(calls, self._answer)
        return self._answer(calls)

    def _answer(self, calls: Sequence[Call]) -> list[Answer]:
        if len(calls) == 1:
            return [self._forwards.alone(calls[0])]
        batch = Batch(calls)
        if not self.meetings.is_agreed(batch):
            return self._introduce(batch)
        try:
            return [Answer(result) for result in self._forwards.together(batch)]
        except torch.OutOfMemoryError:
            self._halve(batch)
        except Exception as error:  # a module may raise anything, and only the culprit's run must fail
            return self._answer_apart(batch, error)
        middle = len(calls) // 2
        return self._answer(calls[:middle]) + self._answer(calls[middle:])

    def _answer_apart(self, batch: Batch, error: Exception) -> list[Answer]:
        answers = [self._forwards.alone(call) for call in batch.calls]
        if not any(answer.error for answer in answers):  # then stacking was the culprit
            self.meetings.refuse(batch, f"fails stacked: {error!r}")
        return answers

    def _halve(self, batch: Batch) -> None:
        self.halvings += 1
        self.forget()
        self._limits[batch.calls[0].loose] = max(1, batch.rows // 2)

    def _introduce(self, batch: Batch) -> list[Answer]:
        """Lets a few calls meet for all; the others are stacked if that gives the same, and they still fit together."""
        few = self.meetings.strangers(batch)
        answers = dict(zip(few.calls, self._meet(few), strict=True))
        others = [call for call in batch.calls if call not in answers]
        still_fit = all(self.meetings.join(others[0], other) for other in others)  # more may have to be alike now
        if others and still_fit and self.meetings.is_agreed(batch):
            answers.update(zip(others, self._answer(others), strict=True))
        return [answers[call] if call in answers else self._forwards.alone(call) for call in batch.calls]

    def _meet(self, batch: Batch) -> list[Answer]:
        """Answers calls one by one, and has such calls stacked from then on if that gives the same."""
        before = batch.versions()
        answers = [self._forwards.noted(call) for call in batch.calls]
        if any(answer.error for answer in answers):
            return answers
        results = [answer.result for answer in answers]
        try:
            if batch.versions() != before:
                raise CannotStack("it changes its arguments")
            held = check(batch, results, self._forwards)
        except torch.OutOfMemoryError:
            self._halve(batch)
        except CannotStack as error:
            self.meetings.refuse(batch, str(error))
        except Exception as error:  # a module may raise anything
            self.meetings.refuse(batch, f"fails stacked: {error!r}")
        else:
            self.meetings.hold(batch.method, held)
            # Calls with one and the same answer prove nothing: what mixes rows would show only in different ones.
            if not all(agree(results[0], result, times=4) for result in results[1:]):
                self.meetings.agree(batch)
        return answers
