import traceback
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from greenlet import getcurrent, greenlet

from worker.engine.call import Call
from worker.engine.errors import Aborted
from worker.engine.isolation.randomness import States, own
from worker.engine.rows.wearing import Adapters

if TYPE_CHECKING:
    from worker.engine.adoption import Adoption


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call is answered with, or a run ends with: a result or an error."""

    result: Any = None
    error: BaseException | None = None


@dataclass(eq=False, repr=False)
class Run:
    """One pipeline call in a greenlet of its own: it is resumed until it parks at a call, or ends.

    It knows no other run and no clock; its deadline is a number that the engine compares.
    """

    pipeline: Any
    arguments: Mapping[str, Any]
    adoptions: "frozenset[Adoption]"
    random: States
    deadline: float = float("inf")
    adapters: Adapters | None = None
    priority: int = 0
    memory: int = 0

    def __post_init__(self) -> None:
        self.future: Future[Any] = Future()
        self.call: Call | None = None
        self.outcome = Answer()
        self.has_ended = False
        self.is_ready = True  # has something to go on with
        self._answer = Answer()
        self._is_aborted = False
        self._greenlet: Any = None
        self._thread_state: tuple[bool, ...] = ()

    @staticmethod
    def current() -> "Run | None":
        """Returns the run that is executing, or None outside of runs."""
        return getattr(getcurrent(), "run_in_it", None)

    def may_park(self) -> bool:
        """Whether other runs may go on from here: not inside an autocast or gradient block of this one's."""
        return _thread_state() == self._thread_state

    def park(self, call: Call) -> Any:
        """Leaves a call for the hub and returns its answer; executed inside the run's greenlet."""
        if self._is_aborted:
            raise Aborted
        self.call = call
        return self._greenlet.parent.switch()

    def take(self, answer: Answer) -> None:
        """Takes the answer to the parked call; `resume` goes on with it."""
        self.call, self._answer, self.is_ready = None, answer, True

    def resume(self) -> None:
        """Executes the run until it parks again or ends."""
        answer, self._answer, self.is_ready = self._answer, Answer(), False
        if not self._greenlet:
            self._thread_state = _thread_state()
            self._greenlet = greenlet(self._execute)
            self._greenlet.run_in_it = self
        with own(self.random):
            self._greenlet.throw(answer.error) if answer.error else self._greenlet.switch(answer.result)

    def abort(self, error: BaseException) -> None:
        """Ends the run with an error at the call where it is parked, and frees what it held."""
        self._is_aborted = True
        if self._greenlet:
            self._greenlet.throw(Aborted)
        self._end(Answer(error=error))

    def settle(self) -> None:
        """Hands the outcome to whoever waits for the future, unless they cancelled it."""
        if not self.future.set_running_or_notify_cancel():
            return
        if self.outcome.error:
            self.future.set_exception(self.outcome.error)
        else:
            self.future.set_result(self.outcome.result)

    def _execute(self, _nothing: Any) -> None:
        try:
            self._end(Answer(self.pipeline(**self.arguments)))
        except BaseException as error:  # nothing may leave the greenlet for the hub's loop
            self._end(Answer(error=error))

    def _end(self, outcome: Answer) -> None:
        forget_tensors(outcome.error)
        self.outcome, self.has_ended, self.is_ready = outcome, True, False
        self.call, self._answer, self._greenlet, self.arguments = None, Answer(), None, {}


def forget_tensors(error: BaseException | None) -> None:
    """Empties the frames of an error's traceback, which would keep a failed run's memory as long as its future."""
    while error:
        traceback.clear_frames(error.__traceback__)
        for frame, _line in traceback.walk_tb(error.__traceback__):
            len(frame.f_locals)  # brings what a pipeline's own locals() has noted up to date
        error = error.__context__


def _thread_state() -> tuple[bool, ...]:
    """Returns the torch settings that belong to the thread, which all its greenlets share."""
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.is_autocast_enabled("cuda"),
    )
