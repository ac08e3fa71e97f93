from collections.abc import Callable

from worker.engine.answering import Answering
from worker.engine.call import Call
from worker.engine.policy import by_turn, choose, may_go_on
from worker.engine.run import Run


class Hub:
    """Where runs park their calls, batches are formed and answered, and runs are resumed or aborted.

    It has no clock, thread or I/O: whoever calls `advance` owns the device, and is told by `alive` before each resume
    and each forward pass that it is getting on.
    """

    def __init__(self, max_rows: int, max_pictures: int = 4, alive: Callable[[], None] = lambda: None) -> None:
        self.runs: list[Run] = []  # in the order of their admission
        self.answering = Answering(max_rows, max_pictures, alive)
        self.exclusive: set[type] = set()  # classes of pipelines that change shared modules while they run
        self._changing: set[Run] = set()
        self._waiting: dict[Call, Run] = {}  # in the order of their parking
        self._batches = 0
        self._alive = alive

    def admit(self, run: Run) -> None:
        """Takes a run in; it starts with the next `advance`."""
        for adoption in run.adoptions:
            if not any(adoption in other.adoptions for other in self.runs):
                adoption.fingerprint.take()
        self.runs.append(run)

    def advance(self) -> list[Run]:
        """Resumes every run that can go on, answers one batch when all are parked, and returns the runs that ended."""
        ready = [run for run in self.runs if run.is_ready]
        for run in ready:
            if self._may_go_on(run):
                self._alive()
                run.resume()
                self._see(run)
        parked = {call: run for call, run in self._waiting.items() if self._may_go_on(run)}
        if parked:
            self._answer(choose(by_turn(parked), self.answering.meetings.join, self.answering.row_limit))
        return [run for run in ready if run.has_ended]

    def _answer(self, batch: list[Call]) -> None:
        self._batches += 1
        batch[0].method.answered_at = self._batches
        for call, answer in zip(batch, self.answering.answer(batch), strict=True):
            self._waiting.pop(call).take(answer)

    def abort(self, run: Run, error: BaseException) -> None:
        """Ends a run with an error, where it is parked; the others do not notice."""
        if run.call:
            del self._waiting[run.call]
        run.abort(error)
        self._see(run)

    def _may_go_on(self, run: Run) -> bool:
        exclusive = [other for other in self.runs if type(other.pipeline) in self.exclusive]
        return may_go_on(run, self.runs, exclusive, self._changing)

    def _see(self, run: Run) -> None:
        """Books what a run did when it last had the thread: parked, ended, changed what it shares or put it back."""
        if run.call:
            run.call.parked_at = self._batches
            self._waiting[run.call] = run
        if run.has_ended:
            self.runs.remove(run)
        was_changing = run in self._changing
        self._changing.discard(run)
        if any(not run.adoptions.isdisjoint(other.adoptions) for other in self._changing):
            return  # a run that is aborted while another has changed a module has not done it
        changed = [adoption.fingerprint for adoption in run.adoptions if adoption.fingerprint.is_changed()]
        if changed and (was_changing or run.has_ended):  # for one call alone, as with a hook, the others wait
            self.exclusive.add(type(run.pipeline))
        if run.has_ended:
            for fingerprint in changed:
                fingerprint.restore()
        elif changed:
            self._changing.add(run)
