"""What a receiver is sent."""

import json
from collections.abc import Iterator
from typing import Any

from app.contract.delivery import TEST_EVENT, Delivery
from app.contract.job import Job, JobRecord
from app.contract.links import Links

MOST_BYTES = 20_000  # what the standard advises
UNTOLD = {"request": {"prompt", "negative_prompt"}}  # a receiver's logs are not the place for them


def body_of(delivery: Delivery, record: JobRecord | None, links: Links) -> bytes:
    """The same for every attempt, as long as the job's record and the addresses of its pictures stay the same."""
    event = {
        "id": delivery.event_id,
        "object": "event",
        "type": delivery.event,
        "created_at": int(delivery.at.timestamp()),
        "timestamp": delivery.at.isoformat().replace("+00:00", "Z"),
    }
    for data in _accounts(delivery, record, links):  # from the fullest on
        body = json.dumps({**event, "data": data}, ensure_ascii=False, separators=(",", ":")).encode()
        if len(body) <= MOST_BYTES:
            break
    return body


def _accounts(delivery: Delivery, record: JobRecord | None, links: Links) -> Iterator[dict[str, Any]]:
    if delivery.event == TEST_EVENT:
        yield {}
        return
    status = delivery.event.removeprefix("job.")
    if record and record.status == status:  # or else it was erased, or somebody has had it run again
        job = Job.of(record, links).model_dump(mode="json", exclude=UNTOLD)
        yield job
        yield {name: value for name, value in job.items() if name != "request"}
    yield {"id": delivery.job_id, "status": status}
