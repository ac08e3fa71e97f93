class WorkerBroken(Exception):
    """Raised when this process cannot develop anything any more."""


class TryAgain(Exception):
    """Raised when a job has not succeeded and is to be tried again in so many seconds; it has not failed either.

    A try that does not count leaves no trace.
    """

    def __init__(self, reason: str, in_s: float, *, counts: bool = True) -> None:
        super().__init__(reason)
        self.in_s = in_s
        self.counts = counts
