class WorkerBroken(Exception):
    """Raised when this process cannot develop anything any more."""
