from worker.engine import Engine
from worker.queue import WorkerBroken


def require_progress(engine: Engine, stall_s: float) -> None:
    """Raises WorkerBroken if the engine has been stuck for longer, as in a forward pass that hangs."""
    if (stalled_s := engine.stalled_s) > stall_s:
        raise WorkerBroken(f"The engine has made no step for {stalled_s:.0f} s.")
