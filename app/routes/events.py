import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from app import sse
from app.contract.events import ID_PATTERN, LAST, Event, EventId, EventType
from app.contract.job import Job, JobRecord
from app.dependencies import JobId, TheEvents, TheStore, TheTenant
from app.events import Events
from app.problems import RESPONSES

EXAMPLE = 'event: progress\ndata: {"step": 4, "total_steps": 20}\nid: 1795438800000-0\n\n'
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The events as they happen: queued, started, progress, preview, requeued, and last succeeded, "
        "failed, canceled or expired, whose data is the job. A snapshot, whose data is the job, stands for events that "
        "are not kept any more.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
    },
    204: {"description": "The job has ended, and all its events were seen"},
}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=RESPONSES)


@router.get("/{job_id}/events", response_class=Response, responses=STREAM)
async def follow_job(
    job_id: JobId,
    store: TheStore,
    events: TheEvents,
    tenant: TheTenant,
    last_event_id: Annotated[str | None, Header(pattern=ID_PATTERN, description="Goes before `after`.")] = None,
    after: Annotated[str | None, Query(pattern=ID_PATTERN, description="The id of the last event seen.")] = None,
    previews: Annotated[bool, Query(description="Whether previews are told.")] = True,
) -> Response:
    """Tells what happens to a job as server-sent events, from its beginning or after the last event that was seen."""
    job = await store.find(job_id, tenant=tenant)
    seen = EventId.parse(last_event_id or after or "0-0")
    if await events.are_told(job, until=seen):
        return Response(status_code=204)  # and a browser stops asking
    return sse.EventStream(_told(events, job, seen, has_previews=previews))


async def _told(events: Events, job: JobRecord, seen: EventId, *, has_previews: bool) -> AsyncGenerator[bytes, None]:
    yield sse.BEGIN
    async with aclosing(events.follow(job, seen, ping_s=sse.PING_S)) as following:
        async for event in following:
            if event.type == EventType.PING:
                yield sse.PING
            elif has_previews or event.type != EventType.PREVIEW:
                yield sse.encode(event.type, _data(event, job), event.id)


def _data(event: Event, job: JobRecord) -> str:
    if event.record:
        return Job.of(event.record).model_dump_json()
    if event.type in LAST:  # and it was erased at once
        return json.dumps({"id": job.id, "object": "job", "status": event.type})
    if event.type == EventType.PREVIEW:
        return json.dumps({**event.data, "url": f"/v1/jobs/{job.id}/previews/{event.data['step']}"})
    return json.dumps(event.data)
