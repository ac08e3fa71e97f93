from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from torch import Tensor

from worker.engine.call import Call
from worker.engine.rows.digest import digest
from worker.engine.rows.stacking import flatten, rebuild
from worker.engine.run import Answer

BYTES = 128 * 2**20  # of the device: some dozen texts of the largest text encoders, thousands of a small one's

Answers = Callable[[Sequence[Call]], list[Answer]]


class Memo:
    """The latest answers to lookups, by content: equal texts are encoded once.

    A lookup has integers alone for tensors, and a module that is not in training answers it the same each time.
    """

    def __init__(self, limit: int = BYTES, lookups: Counter[str] | None = None) -> None:
        """`lookups` goes on with another memo's counts of those that were remembered and missed."""
        self.lookups = Counter() if lookups is None else lookups
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def answer(self, calls: Sequence[Call], answer_all: Answers) -> list[Answer]:
        """Answers each call by what is kept, or by an equal one in the batch; the rest by `answer_all`."""
        keys = [_key(call) for call in calls]
        missing = {key: call for key, call in zip(keys, calls, strict=True) if key not in self._kept}
        self.lookups.update(missed=len(missing), remembered=len(calls) - len(missing))
        answers: dict[Hashable, Answer] = {}
        if missing:
            answers.update(zip(missing, answer_all([*missing.values()]), strict=True))
        for key, answer in answers.items():
            self._keep(key, answer)
        return [
            answers.pop(key) if key in answers else self._recall(key) or answer_all([call])[0]
            for key, call in zip(keys, calls, strict=True)
        ]

    def _keep(self, key: Hashable, answer: Answer) -> None:
        leaves: list[Any] = []
        flatten(answer.result, leaves)
        if answer.error or not all(leaf is None or isinstance(leaf, Tensor) for leaf in leaves):
            return
        size = sum(leaf.nbytes for leaf in leaves if leaf is not None)
        self._kept[key] = _copy(answer.result), size
        self._size += size
        while self._size > self._limit:
            _, (_, freed) = self._kept.popitem(last=False)
            self._size -= freed

    def _recall(self, key: Hashable) -> Answer | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return Answer(_copy(self._kept[key][0]))  # a run may write into what it is given


def _key(call: Call) -> Hashable:
    tensors = tuple(map(digest, call.tensors))
    return call.exact, call.rows, call.adapters, call.method.fingerprint.stamp, tensors


def _copy(result: Any) -> Any:
    leaves: list[Any] = []
    structure = flatten(result, leaves)
    return rebuild(structure, (leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves))
