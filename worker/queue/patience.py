import logging
import random
import time
from collections.abc import Callable

from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

SHORTEST_S = 0.05
LONGEST_S = 1.0


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
    """Calls until Redis has answered; returns False if it was given up first."""
    patience = Patience()
    while not give_up():
        try:
            call()
        except RedisError as error:
            time.sleep(patience.next_wait_s(error))
        else:
            return True
    return False
