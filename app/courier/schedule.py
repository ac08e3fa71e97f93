import random
from collections.abc import Sequence

DELAYS_S = (5.0, 30.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0)  # after the first attempt, which is made at once
JITTER = 0.2
PATIENCE_S = 3_600.0  # a receiver may ask for so much patience, if the schedule has not more


def next_delay_s(attempt: int, retry_after_s: float, delays_s: Sequence[float] = DELAYS_S) -> float | None:
    """How long to wait after the attempt, counted from 1; None after the last."""
    if attempt > len(delays_s):
        return None
    delay_s = delays_s[attempt - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - so that not all come at once
    return max(delay_s, min(retry_after_s, PATIENCE_S))
