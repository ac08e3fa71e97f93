from app.contract.errors import GenerationFailed


class WorkerBroken(Exception):
    """Raised when this process cannot develop anything any more."""


class JobStopped(GenerationFailed):
    """Ends a job that was told to stop by rq's own command."""
