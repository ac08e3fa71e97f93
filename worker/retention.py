import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from obstore.exceptions import BaseError as StorageError

from app.contract.storage import Storage

EVERY_S = 600.0
logger = logging.getLogger(__name__)


@contextmanager
def forgetting(storage: Storage, retention_s: float, every_s: float = EVERY_S) -> Iterator[None]:
    """Deletes pictures that are older than the retention now and then, in a thread, as long as the context lasts.

    Redis drops the records by itself; several workers on one storage do no harm to each other.
    """
    over = threading.Event()

    def keep_forgetting() -> None:
        while not over.is_set():
            try:
                storage.forget(before=datetime.now(UTC) - timedelta(seconds=retention_s))
            except (StorageError, OSError) as error:
                logger.warning("Old pictures could not be deleted: %s", error)
            over.wait(every_s)

    thread = threading.Thread(target=keep_forgetting, name="retention", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
