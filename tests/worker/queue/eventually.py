import time
from collections.abc import Callable

PATIENCE_S = 15.0


def eventually(holds: Callable[[], object]) -> None:
    """Waits until it holds, and fails if it never does."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, "It never came to hold."
        time.sleep(0.01)
