import gc
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import torch

from app.contract.errors import ModelTooLarge, ModelUnloadable
from worker.engine import ModuleInUse
from worker.pipelines.warming import LoadedModel, WarmModel

logger = logging.getLogger(__name__)

CANCELLED_RUN_S = 0.05  # one that was cancelled has its step to finish
MIB = 2**20


class WarmModels:
    """The models that are on the device: loaded at first use, and as many as the memory takes.

    The least recently used leaves first, and none while it is in use. Loading happens in the thread of a job that
    waits for the model, one model at a time; the runs of the others go on.
    """

    def __init__(
        self,
        load: Callable[[str], LoadedModel],
        memory: float = float("inf"),
        limit_runs: Callable[[int], None] = lambda _bytes: None,
    ) -> None:
        """Tells `limit_runs`, which may wait for some to end, what runs may have together beside the weights."""
        self._load = load
        self.memory = memory
        self._limit_runs = limit_runs
        self._warm: dict[str, WarmModel] = {}  # the least recently used first
        self._users: Counter[str] = Counter()  # those that wait for a model count
        self._loading: dict[str, Future[WarmModel]] = {}
        self.leaving: str | None = None  # takes no more users, so that it becomes free in the end
        self._working: dict[str, int] = {}  # bytes that models were seen to need beyond their weights
        self._load_seconds: dict[str, float] = {}
        self._changed = threading.Condition()
        self._turn = threading.Lock()

    @property
    def names(self) -> list[str]:
        """The models that are warm, the most recently used last."""
        with self._changed:
            return list(self._warm)

    @property
    def bytes(self) -> int:
        with self._changed:
            return sum(model.bytes for model in self._warm.values())

    @property
    def load_seconds(self) -> dict[str, float]:
        """What the last loading of each model has taken, until it was warm."""
        return dict(self._load_seconds)

    def warm(self, names: Iterable[str]) -> None:
        """Loads models while they fit; raises ModelUnloadable if not one of them can be loaded."""
        failures = []
        for name in names:
            try:
                self._bring(name, sends_away=False)
            except ModelUnloadable as failure:
                if isinstance(failure, ModelTooLarge) and self.names:
                    break
                logger.error(str(failure))
                failures.append(failure)
        if failures and not self.names:
            raise failures[0]

    @contextmanager
    def use(self, name: str) -> Iterator[WarmModel]:
        """Gives the model, warm, and keeps it so until the context ends; loads it first if need be.

        Raises ModelUnloadable.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.leaving != name)
            self._users[name] += 1
        try:
            yield self._find(name)
        finally:
            with self._changed:
                self._users[name] -= 1
                self._changed.notify_all()

    def _find(self, name: str) -> WarmModel:
        with self._changed:
            if name in self._warm:
                self._warm[name] = self._warm.pop(name)
                return self._warm[name]
            under_way = self._loading.get(name)
            loading = self._loading.setdefault(name, Future())
        if not under_way:
            self._load_for_all(name, loading)
        return loading.result()

    def _load_for_all(self, name: str, loading: "Future[WarmModel]") -> None:
        try:
            with self._turn:
                loading.set_result(self._bring(name))
        except ModelTooLarge as failure:
            loading.set_exception(failure)
        except ModelUnloadable as failure:
            logger.error(str(failure))  # it names files, which are the operator's business
            told = ModelUnloadable(f"The model {name} cannot be loaded; its worker's log says why.")
            loading.set_exception(told)
        except BaseException as failure:  # it is raised again in all that wait
            loading.set_exception(failure)
        finally:
            with self._changed:
                del self._loading[name]

    def _bring(self, name: str, sends_away: bool = True) -> WarmModel:
        began = time.monotonic()
        loaded = self._load(name)
        self._make_room(name, loaded.bytes + self._working.get(name, 0), sends_away)
        self._share_with_runs(loaded.bytes)
        try:
            model = self._warmed(name, loaded, sends_away)
        finally:
            self._share_with_runs()
        self._load_seconds[name] = time.monotonic() - began
        logger.info("%s is warm: %.0f MiB.", name, model.bytes / MIB)
        return model

    def _warmed(self, name: str, loaded: LoadedModel, sends_away: bool) -> WarmModel:
        model = loaded.warm()
        self._working[name] = model.working_bytes
        try:
            self._make_room(name, model.bytes, sends_away)
        except ModelTooLarge:
            model.release()
            raise
        with self._changed:
            self._warm[name] = model
        return model

    def _share_with_runs(self, more_weights: int = 0) -> None:
        with self._changed:
            weights = more_weights + sum(model.weight_bytes for model in self._warm.values())
        if self.memory != float("inf"):
            self._limit_runs(int(self.memory - weights))

    def _make_room(self, name: str, needed: float, sends_away: bool) -> None:
        if needed > self.memory:
            raise _too_large(name, needed, self.memory)
        with self._changed:
            try:
                while needed > (free := self.memory - sum(model.bytes for model in self._warm.values())):
                    if not sends_away:
                        raise _too_large(name, needed, free)
                    self._send_one_away()
            finally:
                self.leaving = None
                self._changed.notify_all()

    def _send_one_away(self) -> None:
        """Sends away the least recently used model that nobody uses, or waits for one to become free."""
        idle = next((each for each in self._warm if not self._users[each]), None)
        if idle is None:
            self.leaving = next(iter(self._warm))
            self._changed.wait()
            return
        try:
            self._warm[idle].release()
        except ModuleInUse:
            self._changed.wait(CANCELLED_RUN_S)
            return
        _free(self._warm.pop(idle))
        logger.info("%s has left to make room.", idle)


def _too_large(name: str, needed: float, memory: float) -> ModelTooLarge:
    return ModelTooLarge(f"The model {name} takes {needed / MIB:,.0f} MiB of memory; there are {memory / MIB:,.0f}.")


def _free(model: WarmModel) -> None:
    del model
    gc.collect()  # some pipelines hold themselves in a circle, and so do layers that LoRAs reach
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
