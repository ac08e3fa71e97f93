import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Slots:
    """One thread for each job that a worker may have in hand; they stay: starting one takes longer than a short job.

    They are daemons: a job that is stuck in one does not keep the process from ending.
    """

    def __init__(self, number: int) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._serve, name=f"slot {n}", daemon=True) for n in range(number)]

    def open(self) -> None:
        for thread in self._threads:
            thread.start()

    def run(self, task: Callable[[], None]) -> None:
        self._tasks.put(task)

    def close(self) -> None:
        """Lets each thread end when its job has."""
        for _ in self._threads:
            self._tasks.put(None)

    def _serve(self) -> None:
        for task in iter(self._tasks.get, None):
            try:
                task()
            except Exception as error:  # the slot is for the next job; a message may hold a prompt, so it is not told
                logger.error("A job came to no end: %s", type(error).__name__)
