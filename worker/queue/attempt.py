"""One attempt at a job: it is developed, and however that ended is written down for the ledger."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from rq.worker.base import BaseWorker

from app.contract.errors import GenerationFailed, JobStopped, WorkerLost
from worker.queue import endings
from worker.queue.claim import DEATHS_MAX, Claim
from worker.queue.errors import TryAgain, WorkerBroken
from worker.queue.ledger import Commands, Ledger

logger = logging.getLogger(__name__)

Develop = Callable[[Claim], dict[str, Any]]


def develop_nothing(claim: Claim) -> dict[str, Any]:
    raise NotImplementedError(f"This worker only stands for another process; it cannot develop {claim.job_id}.")


def attempt(worker: BaseWorker, ledger: Ledger, claim: Claim, develop: Develop) -> Commands:
    """Returns the job's end; whatever was wrong, the job must not stay in the worker's hands for ever.

    Raises WorkerBroken.
    """
    try:
        if claim.deaths >= DEATHS_MAX:
            raise WorkerLost(f"{claim.deaths} workers were lost while they developed this job.")
        claim.argument  # noqa: B018 - a job that cannot be read does not reach `develop`
        return ledger.prepare(partial(endings.success, worker, claim, develop(claim)))
    except WorkerBroken:
        raise
    except TryAgain as wish:
        return ledger.prepare(partial(endings.postponement, worker, claim, wish))
    except BaseException as raised:
        return _failed(worker, ledger, claim, raised)


def _failed(worker: BaseWorker, ledger: Ledger, claim: Claim, raised: BaseException) -> Commands:
    if claim.is_stopped:
        raised = JobStopped("The job was stopped.")
    try:
        if not claim.is_lost and not isinstance(raised, endings.TOLD):
            logger.error("The job %s failed.\n%s", claim.job_id, endings.describe(raised, claim))
        return ledger.prepare(partial(endings.failure, worker, claim, raised))
    except Exception:  # such as a message that no encoding takes
        unwritable = GenerationFailed("The job failed, and the reason cannot be written down.")
        return ledger.prepare(partial(endings.failure, worker, claim, unwritable))
