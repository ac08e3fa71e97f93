"""What the scripts that end jobs need to have the ends delivered."""

from pathlib import Path
from typing import cast

from rq import Queue
from rq.job import Job
from rq.results import Result

from app.contract import names

POST = Path(__file__).with_name("scripts") / "post.lua"
DAY_S = 86_400
TIMEOUT_S = 60  # of one attempt; it ends by itself long before
DEAD_KEPT_S = 7 * DAY_S  # what could not be delivered may be replayed for so long
MOST = 200_000  # of one tenant's deliveries that are kept, about 1 KB each
QUEUE = names.queue_name(names.DELIVERIES)

_OUTBOX: dict[str, str | int] = {
    "task": names.DELIVERY_FUNCTION,
    "name": QUEUE,
    "queue": Queue.redis_queue_namespace_prefix + QUEUE,
    "queues": Queue.redis_queues_keys,
    "index": names.DELIVERIES_PREFIX,
    "endpoints": names.ENDPOINTS_PREFIX,
    "endpoint": names.ENDPOINT_PREFIX,
    "wake": names.WAKE_CHANNEL,
    "timeout": TIMEOUT_S,
    "keep": DAY_S,
    "keep_dead": DEAD_KEPT_S,
    "most": MOST,
    "results": cast(str, Result.get_key("")),  # type: ignore[no-untyped-call]
    "remember": DAY_S + DEAD_KEPT_S,  # all attempts take less than a day
}


def with_post(text: str) -> str:
    """A script's text behind that of `deliver` and `post(id, event)`, by which it has a job's end delivered."""
    table = ", ".join(f"{name} = {value!r}" for name, value in _OUTBOX.items())
    return f"local jobs = '{Job.redis_job_namespace_prefix}'\nlocal outbox = {{{table}}}\n{POST.read_text()}{text}"
