import logging
import threading
from collections.abc import Callable

from redis.exceptions import RedisError

from worker.queue.patience import Patience

logger = logging.getLogger(__name__)


class Heart(threading.Thread):
    """Beats until it is stopped, whatever happens: when it stops, the worker's jobs are soon somebody else's."""

    def __init__(self, beat: Callable[[], None], pause_s: Callable[[], float]) -> None:
        super().__init__(name="heart", daemon=True)
        self._beat = beat
        self._pause_s = pause_s
        self._next = threading.Event()
        self._stopped = False

    def run(self) -> None:
        patience = Patience()
        while not self._stopped:
            pause_s = self._pause_s()
            try:
                self._beat()
                patience.reset()
            except RedisError as error:
                pause_s = patience.next_wait_s(error)
            except Exception:  # a fault in a callback must not cost the lease, and with it every job
                logger.exception("A beat went wrong.")
            self._next.wait(pause_s)
            self._next.clear()

    def beat_now(self) -> None:
        self._next.set()

    def stop(self) -> None:
        self._stopped = True
        self._next.set()
        self.join()
