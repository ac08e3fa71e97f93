"""Every name that the front end and the workers share in Redis; rq's own keys are built by rq."""

JOB_FUNCTION = "worker.task.develop"
OPEN_TENANT = "open"  # whose job it is, as long as there are no API keys
TURNS_PREFIX = "darkroom:turns:"  # and a queue: its lines, by their next turn
EVENTS_PREFIX = "darkroom:events:"  # and a record's id
LINE_PREFIX = "darkroom:line:"  # and a queue, a colon and a line: the line's waiting jobs, oldest first
WAKE_CHANNEL = "darkroom:wake"  # which queue has a job, or which job was canceled


def record_id(tenant: str, job_id: str) -> str:
    """The id of the job's record in Redis and of its folder in the storage: each tenant has job ids of its own."""
    return job_id if tenant == OPEN_TENANT else f"{tenant}_{job_id}"


def events_key(record_id: str) -> str:
    """The stream of what happens to a job, and the channel on which each event is told."""
    return EVENTS_PREFIX + record_id


def input_key(record_id: str, sha256: str) -> str:
    """Where the storage keeps a picture that came with the job."""
    return f"{record_id}/inputs/{sha256}"


def queue_name(model: str) -> str:
    return f"darkroom-{model}"


def line_name(cost: int, tenant: str) -> str:
    """In a line wait the jobs of one tenant and one priority, which is what a turn costs."""
    return f"{cost}:{tenant}"


def lease_key(worker: str) -> str:
    """The key that exists as long as the worker lives."""
    return f"darkroom:lease:{worker}"


def announcement_key(worker: str) -> str:
    """The worker's own word on its models, device and engine, in JSON; it ends with the lease."""
    return f"darkroom:worker:{worker}"
