"""What keeps the queue in order, whoever works on it: every worker does it, and it does not matter which."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from redis import Redis
from rq import Queue, worker_registration
from rq.defaults import RQ_KEY_PREFIX
from rq.scheduler import RQScheduler
from rq.utils import now, utcformat

from app.contract import names
from app.contract.events import with_tell
from worker.queue.ledger import Ledger

logger = logging.getLogger(__name__)

REAP_S = 1.0
TIDY_S = 60.0
DUE_AT_ONCE = 1_000
DUE = Path(__file__).with_name("scripts") / "due.lua"


class Upkeep:
    """Reaps, enqueues what was scheduled and drops what has expired, each in its time."""

    def __init__(self, connection: Redis, queues: Sequence[Queue], ledger: Ledger, lease_s: float) -> None:
        self._queues = queues
        self._ledger = ledger
        self._lease_s = lease_s
        self._due = connection.register_script(with_tell(DUE))
        self._reap_at = self._tidy_at = 0.0

    def begin(self) -> None:
        """Reaps a predecessor of this worker's name: under our lease its jobs would pass for alive."""
        was_away = self._reap_at > 0
        self.wait_for_the_others()  # as if Redis were away, until it answers
        if not was_away:
            self._ledger.reap(renews=False)
            self._reap_at = 0.0

    def wait_for_the_others(self) -> None:
        """Puts reaping off after an outage, until the living have renewed what ran out meanwhile."""
        self._reap_at = time.monotonic() + 1.5 * self._lease_s

    def tend(self) -> bool:
        """Does what it is time for; returns whether it has reaped."""
        moment = time.monotonic()
        if reaps := moment >= self._reap_at:
            self._reap_at = moment + REAP_S
            for job_id in self._ledger.reap():
                logger.warning("The job %s has lost its worker.", job_id)
            self._enqueue_due()
        if moment >= self._tidy_at:
            self._tidy_at = moment + TIDY_S
            self._tidy()
        return reaps

    def _enqueue_due(self) -> None:
        """Does the work of rq's scheduler, in one script: there is no lock to wait for when its holder is killed."""
        keys = [
            key
            for queue in self._queues
            for key in (queue.key, queue.scheduled_job_registry.key, RQScheduler.get_locking_key(queue.name))
        ]
        self._due(keys, [RQ_KEY_PREFIX, names.WAKE_CHANNEL, utcformat(now()), time.time(), DUE_AT_ONCE])

    def _tidy(self) -> None:
        for queue in self._queues:  # not rq's own maintenance, which imports callbacks that Redis names
            queue.finished_job_registry.cleanup()
            queue.failed_job_registry.cleanup()
            worker_registration.clean_worker_registry(queue)
        self._ledger.forget_canceled()
