import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from app import sse
from app.answers import Answers
from app.contract.events import ID_PATTERN, LAST, Event, EventId, EventType
from app.contract.job import JobRecord
from app.dependencies import JobId, TheAnswers, TheEvents, TheStore, TheTenant
from app.events import Events
from app.problems import RESPONSES

EXAMPLE = 'event: progress\ndata: {"step": 4, "total_steps": 20}\nid: 1795438800000-0\n\n'
EVENT = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("event", "data", "id", "retry")},
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The events as they happen: queued, started, progress, preview, requeued, and last succeeded, "
        "failed, canceled or expired, whose data is the job. A snapshot, whose data is the job, stands for events that "
        "are not kept any more.",
        "content": {"text/event-stream": {"schema": EVENT, "example": EXAMPLE}},
    },
    204: {"description": "The job has ended, and all its events were seen"},
}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=RESPONSES)


@router.get("/{job_id}/events", response_class=Response, responses=STREAM)
async def follow_job(
    job_id: JobId,
    store: TheStore,
    events: TheEvents,
    answers: TheAnswers,
    tenant: TheTenant,
    last_event_id: Annotated[str | None, Header(description="Goes before `after`, if it is one of ours.")] = None,
    after: Annotated[str | None, Query(pattern=ID_PATTERN, description="The id of the last event seen.")] = None,
    previews: Annotated[bool, Query(description="Whether previews are told.")] = True,
) -> Response:
    """Tells what happens to a job as server-sent events, from its beginning or after the last event that was seen."""
    job = await store.find(job_id, tenant=tenant)
    came_back = last_event_id and re.fullmatch(ID_PATTERN, last_event_id)
    seen = EventId.parse((last_event_id if came_back else after) or "0-0")
    if await events.are_told(job, until=seen):
        return Response(status_code=204)  # and a browser stops asking
    return sse.EventStream(_told(events, answers, job, seen, has_previews=previews))


async def _told(
    events: Events, answers: Answers, job: JobRecord, seen: EventId, *, has_previews: bool
) -> AsyncGenerator[bytes, None]:
    yield sse.BEGIN
    async with aclosing(events.follow(job, seen, ping_s=sse.PING_S)) as following:
        async for event in following:
            if event.type == EventType.PING:
                yield sse.PING
            elif has_previews or event.type != EventType.PREVIEW:
                yield sse.encode(event.type, await _data(event, job, answers), event.id)


async def _data(event: Event, job: JobRecord, answers: Answers) -> str:
    if event.record:
        return (await answers.job(event.record)).model_dump_json()
    if event.type in LAST:  # and it was erased at once
        return json.dumps({"id": job.id, "object": "job", "status": event.type})
    if event.type == EventType.PREVIEW:
        url = answers.links.sign(f"/v1/jobs/{job.id}/previews/{event.data['step']}", job.tenant)
        return json.dumps({**event.data, "url": url})
    return json.dumps(event.data)
