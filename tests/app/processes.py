import time
from collections.abc import Callable
from pathlib import Path


def wait_until(holds: Callable[[], object], patience_s: float = 20.0) -> None:
    until = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < until, "It did not come true in time."
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """A zombie is dead: its parent has not asked yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
