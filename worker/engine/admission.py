from collections.abc import Sequence

from worker.engine.run import Run

PATIENCE = 16  # runs that one sees admitted before it while it counts as one priority lower


class Admission:
    """Runs that have not begun, and the memory, in bytes, that those in flight may have together.

    A run whose turn has come and that does not fit is waited for, so that a large one is not passed for ever.
    """

    def __init__(self, memory: int | None) -> None:
        self.memory = memory
        self.waiting: dict[Run, int] = {}  # and how many were admitted before it since it came

    def add(self, runs: Sequence[Run]) -> None:
        self.waiting.update(dict.fromkeys(runs, 0))

    def drop(self, run: Run) -> None:
        del self.waiting[run]

    def has_room_for(self, runs: Sequence[Run]) -> bool:
        return self.memory is None or sum(run.memory for run in runs) <= self.memory

    def admit(self, in_flight: Sequence[Run]) -> list[Run]:
        """Takes out the runs that may begin beside those in flight; a lone one always may."""
        admitted: list[Run] = []
        while self.waiting:
            run = max(self.waiting, key=lambda run: run.priority + self.waiting[run] // PATIENCE)
            company = [*in_flight, *admitted]
            if company and not self.has_room_for([*company, run]):
                break
            del self.waiting[run]
            admitted.append(run)
            for other in self.waiting:
                self.waiting[other] += 1
        return admitted
