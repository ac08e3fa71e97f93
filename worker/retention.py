import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from obstore.exceptions import BaseError as StorageError
from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job

from app.contract.storage import Storage

EVERY_S = 600.0
LAST_WORD_S = 5.0  # a storage that is away keeps no worker from ending
logger = logging.getLogger(__name__)


@contextmanager
def forgetting(storage: Storage, redis: Redis, retention_s: float, every_s: float = EVERY_S) -> Iterator[None]:
    """Deletes pictures that are older than the retention now and then, in a thread, as long as the context lasts.

    Redis drops the records by itself, and a picture stays as long as its job's record does: one that came with a job
    which waits is not too old. Several workers on one storage do no harm to each other.
    """
    over = threading.Event()

    def kept(jobs: set[str]) -> set[str]:
        in_order = sorted(jobs)
        with redis.pipeline(transaction=False) as pipeline:
            for each in in_order:
                pipeline.exists(Job.key_for(each))
            return {each for each, exists in zip(in_order, pipeline.execute(), strict=True) if exists}

    def keep_forgetting() -> None:
        while not over.is_set():
            try:
                storage.forget(datetime.now(UTC) - timedelta(seconds=retention_s), kept)
            except (StorageError, OSError, RedisError) as error:
                logger.warning("Old pictures could not be deleted: %s", error)
            over.wait(every_s)

    thread = threading.Thread(target=keep_forgetting, name="retention", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LAST_WORD_S)
