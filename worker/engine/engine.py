import inspect
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

import torch

from worker.engine.admission import Admission
from worker.engine.adoption import Adoption, modules_of
from worker.engine.errors import DeadlinePassed, EngineClosed, ModuleInUse, NotAdopted
from worker.engine.hub import Hub
from worker.engine.isolation.pipeline_copy import own_copy
from worker.engine.isolation.randomness import branch_off, seeded
from worker.engine.rows.wearing import Adapters
from worker.engine.run import Run
from worker.engine.stats import EngineStats, ModuleStats
from worker.engine.steps import OnStep, reporting


class Engine:
    """The one thread that owns the device: it runs any number of pipeline calls at once, in common forward passes.

    No forward pass has more than `max_rows` rows, none of `decode` and `encode` more than `max_pictures`. The runs in
    flight have at most `memory` bytes together, by what was said of each when it was submitted; others wait.
    """

    def __init__(
        self,
        max_rows: int = 16,
        device: torch.device | str | None = None,
        max_pictures: int = 4,
        memory: int | None = None,
    ) -> None:
        self._hub = Hub(max_rows, max_pictures, self._live)
        self._admission = Admission(memory)
        self._device = torch.device(device) if device else None
        self._adoptions: tuple[Adoption, ...] = ()
        self._in_flight: dict[Run, None] = {}
        self._arrived: list[Run] = []
        self._is_closed = False
        self._busy_s = 0.0
        self._failed_of_memory = 0
        self._alive_at: float | None = None  # when the thread last got on with something; None while it has nothing
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    def adopt(self, pipeline: Any, name: str | None = None) -> None:
        """Reroutes a pipeline's modules; nothing else about it changes, and it can still be called directly.

        `name` is what the statistics call it; its class's name if none is given.
        """
        with self._changed:
            known = {adoption.module for adoption in self._adoptions}
            new = {module: path for path, module in modules_of(pipeline) if module not in known}
            taken = [path for module, path in new.items() if "_adoption" in vars(module)]
            if taken:
                raise ModuleInUse(f"Another engine has adopted {', '.join(taken)} of this {type(pipeline).__name__}.")
            model = self._free_name(name or type(pipeline).__name__, set(new.values()))
            self._adoptions += tuple(Adoption(model, path, module) for module, path in new.items())

    def release(self, pipeline: Any) -> None:
        """Gives a pipeline's modules back as they were; none of its runs may be in flight."""
        with self._changed:
            modules = {module for _, module in modules_of(pipeline)}
            if any(adoption.module in modules for run in self._in_flight for adoption in run.adoptions):
                raise ModuleInUse(f"{type(pipeline).__name__} has runs in flight and cannot be released.")
            for adoption in self._adoptions:
                if adoption.module in modules:
                    adoption.release()
            self._adoptions = tuple(adoption for adoption in self._adoptions if adoption.module not in modules)
        self._hub.answering.forget()

    def submit(
        self,
        pipeline: Any,
        /,
        *,
        on_step: OnStep | None = None,
        deadline: float | None = None,
        adapters: Adapters | None = None,
        priority: int = 0,
        memory: int = 0,
        seed: int | None = None,
        **arguments: Any,
    ) -> "Future[Any]":
        """Starts `pipeline(**arguments)` and returns the future of what that returns.

        `on_step(step, total, latents)` is called in the engine's thread after each step, counted from 1; it must be
        quick, and an error in it fails the run. `deadline` is in seconds from now. `adapters` are what the run's rows
        wear (see `worn`). A higher `priority` is stepped first. `memory` is what the run needs, in bytes. `seed`
        stands for `torch.manual_seed(seed)` before the call, for pipelines that draw besides the generator that they
        are given; one that takes a `seed` itself gets it, too. The future can be cancelled until it is done, and stays
        pending until then.
        """
        until = float("inf") if deadline is None else time.monotonic() + deadline
        random = branch_off() if seed is None else seeded(seed)
        if seed is not None and "seed" in inspect.signature(type(pipeline).__call__).parameters:
            arguments["seed"] = seed
        arguments = reporting(pipeline, arguments, on_step) if on_step else arguments
        own = own_copy(pipeline)  # as it is now, and before the lock: it takes a millisecond
        with self._changed:
            if self._is_closed:
                raise EngineClosed("The engine is closed.")
            run = Run(own, arguments, self._adoptions_of(pipeline), random, until, adapters, priority, memory)
            self._in_flight[run] = None
            self._arrived.append(run)
            self._changed.notify_all()
        return run.future

    @property
    def runs(self) -> int:
        """The number of runs in flight."""
        return len(self._in_flight)

    @property
    def stalled_s(self) -> float:
        """The seconds for which the engine has not got on though it had something to do, as in a hung forward pass."""
        alive_at = self._alive_at
        return 0.0 if alive_at is None else time.monotonic() - alive_at

    def stats(self) -> EngineStats:
        """Returns the present figures; never waits for a forward pass."""
        methods = [
            ModuleStats(method.model, method.name, method.calls, dict(method.forwards))
            for adoption in self._adoptions
            for method in adoption.methods
        ]
        answering = self._hub.answering
        return EngineStats(
            runs=len(self._in_flight),
            modules=tuple(methods),
            never_stacked=tuple(sorted([*answering.meetings.never_stacked])),
            exclusive=tuple(sorted(pipeline.__name__ for pipeline in [*self._hub.exclusive])),
            remembered=answering.memo.lookups["remembered"],
            missed=answering.memo.lookups["missed"],
            out_of_memory=answering.halvings + self._failed_of_memory,
            busy_s=self._busy_s,
        )

    def drain(self, timeout: float | None = None) -> bool:
        """Waits until no run is in flight; returns False if some still are when the seconds are over."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._in_flight, timeout)

    def limit_memory(self, memory: int | None) -> None:
        """Sets what the runs in flight may have together, and waits until those that have begun have no more."""
        with self._changed:
            self._admission.memory = memory
            self._changed.wait_for(lambda: self._is_closed or self._admission.has_room_for(self._hub.runs))

    def close(self) -> None:
        """Aborts what is in flight with EngineClosed, ends the thread and gives all modules back."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()
        for adoption in self._adoptions:
            adoption.release()
        self._adoptions = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.drain()
        self.close()

    def _free_name(self, model: str, paths: set[str]) -> str:
        taken = {(adoption.model, adoption.name) for adoption in self._adoptions}
        names = (model if number == 1 else f"{model}-{number}" for number in range(1, len(taken) + 2))
        return next(name for name in names if not any((name, path) in taken for path in paths))

    def _adoptions_of(self, pipeline: Any) -> frozenset[Adoption]:
        known = {adoption.module: adoption for adoption in self._adoptions}
        missing = [path for path, module in modules_of(pipeline) if module not in known]
        if missing:
            raise NotAdopted(f"{type(pipeline).__name__} is not adopted by this engine: {', '.join(missing)}.")
        return frozenset(known[module] for _, module in modules_of(pipeline))

    def _work(self) -> None:
        # Thread state, which all greenlets share; the pipelines' own decorators find it off and leave it off.
        with torch.no_grad():
            try:
                if self._device and self._device.index and self._device.type == "cuda":  # a thread begins on the first
                    torch.cuda.set_device(self._device)
                while self._welcome():
                    began = time.monotonic()
                    self._live()
                    self._settle(self._abort_where_due())
                    self._begin()
                    self._settle(self._hub.advance())
                    self._busy_s += time.monotonic() - began
            finally:
                self._abandon()

    def _welcome(self) -> bool:
        """Takes in what has arrived, sleeping while there is nothing to do; returns False when the engine is closed."""
        with self._changed:
            if not self._in_flight:
                self._alive_at = None
            self._changed.wait_for(lambda: self._is_closed or self._in_flight)
            self._take_in()
            return not self._is_closed

    def _take_in(self) -> None:
        self._admission.add(self._arrived)
        self._arrived = []

    def _live(self) -> None:
        self._alive_at = time.monotonic()

    def _begin(self) -> None:
        with self._changed:  # the limit must not change in between
            for run in self._admission.admit(self._hub.runs):
                self._hub.admit(run)

    def _abort_where_due(self) -> list[Run]:
        now, runs = time.monotonic(), [*self._admission.waiting, *self._hub.runs]
        due = [run for run in runs if run.deadline <= now or run.future.cancelled()]
        return self._abort(due, DeadlinePassed("The run was not done within its deadline."))

    def _abort(self, runs: list[Run], error: BaseException) -> list[Run]:
        for run in runs:
            if run in self._admission.waiting:
                self._admission.drop(run)
                run.abort(error)
            else:
                self._hub.abort(run, error)
        return runs

    def _settle(self, ended: Sequence[Run]) -> None:
        with self._changed:
            for run in ended:
                del self._in_flight[run]
            self._changed.notify_all()
        for run in ended:
            self._failed_of_memory += isinstance(run.outcome.error, torch.OutOfMemoryError)
            run.settle()

    def _abandon(self) -> None:
        """Leaves no future hanging, whatever ended the thread."""
        with self._changed:
            self._is_closed = True
            self._take_in()
        in_flight = [run for run in self._in_flight if not run.has_ended]
        self._abort(in_flight, EngineClosed("The engine closed while the run was in flight."))
        self._settle([*self._in_flight])
        self._alive_at = None
