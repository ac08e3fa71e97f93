import logging
import random
import re
import time
from collections.abc import Callable

from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

logger = logging.getLogger(__name__)

SHORTEST_S = 0.05
LONGEST_S = 1.0
PASSING = (OutOfMemoryError, ReadOnlyError, ClusterDownError, MasterDownError)
PASSING_CODES = re.compile(r"\b(?:MISCONF|BUSY|NOREPLICAS|OOM|READONLY) ")  # some without a class, or from a script


class Patience:
    """How long to wait for a Redis that is away: longer each time, by chance, and never long."""

    def __init__(self) -> None:
        self._tries = 0

    def next_wait_s(self, error: RedisError) -> float:
        if not self._tries:
            logger.warning("Redis is away: %s", error)
        longest = min(LONGEST_S, SHORTEST_S * 2**self._tries)
        self._tries += 1
        return random.uniform(longest / 2, longest)  # noqa: S311 - so that a fleet does not come back all at once

    def reset(self) -> None:
        if self._tries:
            logger.info("Redis is back.")
        self._tries = 0


def patiently(call: Callable[[], None], give_up: Callable[[], bool]) -> bool:
    """Calls until Redis has answered; returns False if it was given up first.

    Raises RedisError if waiting does not help, as for a key of the wrong type.
    """
    patience = Patience()
    while not give_up():
        try:
            call()
        except RedisError as error:
            if not _may_pass(error):
                raise
            time.sleep(patience.next_wait_s(error))
        else:
            return True
    return False


def _may_pass(error: RedisError) -> bool:
    refused = isinstance(error, ResponseError) and not isinstance(error, PASSING)
    return not refused or bool(PASSING_CODES.search(str(error)))
