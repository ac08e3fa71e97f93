import hashlib
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from app.conditional import has_already
from app.contract.generation import GenerationRequest
from app.contract.job import Job, JobRecord
from app.dependencies import (
    IdempotencyKey,
    JobId,
    TheEvents,
    TheStore,
    TheSubmission,
    TheTenant,
    require_json,
)
from app.events import Events
from app.pictures.form import FORM_BODY, FormRoute, TheFiles
from app.problems import RESPONSES
from app.submission import id_for_key
from app.waiting import PreferredWait, Wait, while_connected

POLL_AGAIN_S = 1
REPLAYED: dict[int | str, dict[str, Any]] = {200: {"model": Job, "description": "The job that was there already"}}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=RESPONSES, route_class=FormRoute)


@router.post(
    "",
    status_code=202,
    response_model=Job,
    dependencies=[Depends(require_json)],
    responses=REPLAYED,
    openapi_extra=FORM_BODY,
)
async def create_job(
    body: GenerationRequest,
    files: TheFiles,
    submission: TheSubmission,
    tenant: TheTenant,
    request: Request,
    events: TheEvents,
    wait_s: PreferredWait,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Admits a job and answers at once, or when it has ended; the seed that was drawn is in the answer."""
    job_id = id_for_key(idempotency_key, tenant) if idempotency_key else None
    record = await submission.submit(body, tenant=tenant, job_id=job_id, files=files)
    record = await _ended(request, record, events, wait_s)
    return _submitted(record, 200 if record.status.is_terminal else 202, wait_s)


@router.put(
    "/{job_id}",
    status_code=202,
    response_model=Job,
    dependencies=[Depends(require_json)],
    responses=REPLAYED,
    openapi_extra=FORM_BODY,
)
async def put_job(
    job_id: JobId,
    body: GenerationRequest,
    files: TheFiles,
    submission: TheSubmission,
    tenant: TheTenant,
    request: Request,
    events: TheEvents,
    wait_s: PreferredWait,
) -> Response:
    """Admits a job under an id of the caller's; the same body again gives the same job."""
    record = await submission.submit(body, tenant=tenant, job_id=job_id, files=files)
    record = await _ended(request, record, events, wait_s)
    return _submitted(record, 200 if record.is_replayed or record.status.is_terminal else 202, wait_s)


@router.get("/{job_id}", response_model=Job, responses={304: {"description": "As it was"}})
async def read_job(
    job_id: JobId, request: Request, store: TheStore, events: TheEvents, tenant: TheTenant, wait: Wait = 0
) -> Response:
    """The job as it is; with `wait` at its end, or with `If-None-Match` as soon as it is not the same any more."""
    record = await store.find(job_id, tenant=tenant)
    if wait and not record.status.is_terminal:
        record = await while_connected(request, events.wait_for_change(record, _is_news(request), wait)) or record
    answer = _job_answer(record)
    if has_already(request, answer.headers["ETag"]):
        del answer.headers["content-length"], answer.headers["content-type"]
        answer.status_code, answer.body = 304, b""
    return answer


@router.post("/{job_id}/cancel", response_model=Job)
async def cancel_job(job_id: JobId, store: TheStore, tenant: TheTenant) -> Response:
    """Cancels a job that waits or runs; a job that has ended stays as it is."""
    return _job_answer(await store.cancel(job_id, tenant=tenant))


def _is_news(request: Request) -> Callable[[JobRecord], bool]:
    if "if-none-match" not in request.headers:
        return lambda record: record.status.is_terminal
    return lambda record: not has_already(request, _job_answer(record).headers["ETag"])


async def _ended(request: Request, record: JobRecord, events: Events, wait_s: int) -> JobRecord:
    """The job at its end, if it ends in time and the client stays."""
    if not wait_s:
        return record
    ended = await while_connected(request, events.wait_for_end(record, wait_s)) or record
    return ended.model_copy(update={"is_replayed": record.is_replayed})


def _submitted(record: JobRecord, status: int, wait_s: int) -> Response:
    answer = _job_answer(record)
    answer.status_code = status
    answer.headers["Location"] = f"/v1/jobs/{record.id}"
    if record.is_replayed:
        answer.headers["Idempotency-Replayed"] = "true"
    if wait_s and record.status.is_terminal:
        answer.headers["Preference-Applied"] = f"wait={wait_s}"
    return answer


def _job_answer(record: JobRecord) -> Response:
    content = Job.of(record).model_dump_json().encode()
    headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"', "Cache-Control": "private, no-cache"}
    if not record.status.is_terminal:
        headers["Retry-After"] = str(POLL_AGAIN_S)
    return Response(content, headers=headers, media_type="application/json")
