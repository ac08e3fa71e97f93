import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from obstore.exceptions import BaseError as StorageError

from app.contract import storage
from app.contract.errors import DeadlinePassed, OutOfMemory, OutputUnstored
from worker import engine
from worker.queue import WorkerBroken

logger = logging.getLogger(__name__)


@contextmanager
def translated() -> Iterator[None]:
    """Turns what torch, the engine and the storage raise into the errors that a caller can read on the job.

    A closed engine is WorkerBroken instead, which is no fault of the job.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory("The pictures do not fit into the device's memory, even alone.") from error
    except engine.DeadlinePassed as error:
        raise DeadlinePassed("The job took longer than a job may.") from error
    except engine.EngineClosed as error:
        raise WorkerBroken("The engine is closed.") from error
    except StorageError as error:
        logger.error("The storage does not take the pictures: %s", storage.reason(error))
        raise OutputUnstored("The pictures were made, but the storage did not take them.") from error
