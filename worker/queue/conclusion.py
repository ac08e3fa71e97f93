"""The last word on a job in this worker: its end is written, or what was made of it is thrown away."""

import logging
from collections.abc import Callable

from worker.queue.claim import Claim
from worker.queue.ledger import Commands, Ledger
from worker.queue.patience import patiently

logger = logging.getLogger(__name__)

Discard = Callable[[Claim], None]


def discard_nothing(_claim: Claim) -> None: ...


def conclude(ledger: Ledger, claim: Claim, commands: Commands, discard: Discard, has_left: Callable[[], bool]) -> None:
    """Writes the job's end as soon as Redis answers; if the job is not this worker's any more, discards instead.

    Raises RedisError if Redis refuses the end for good.
    """
    is_written = False

    def commit() -> None:
        nonlocal is_written
        is_written = ledger.commit(claim, commands)

    def clean_up() -> None:
        if not ledger.has_published(claim):  # the reply to an earlier commit may have been lost
            claim.is_erased = ledger.is_erased(claim)
            discard(claim)

    patiently(commit, give_up=lambda: claim.is_lost or has_left())
    if not is_written:
        claim.result, claim.error_code = "withdrawn", ""
        logger.info("The job %s ended here after it was taken away.", claim.job_id)
        patiently(clean_up, give_up=has_left)
