import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from obstore.exceptions import BaseError as StorageError

from app.contract import names
from app.contract.errors import StorageUnavailable
from app.contract.generation import GenerationRequest
from app.contract.job import Job, JobRecord
from app.dependencies import (
    IdempotencyKey,
    JobId,
    TheAnswers,
    TheEvents,
    TheStorage,
    TheStore,
    TheSubmission,
    TheTenant,
    require_json,
)
from app.pictures.form import FORM_BODY, FormRoute, TheFiles
from app.problems import RESPONSES
from app.submission import id_for_key
from app.waiting import PreferredWaiting, Wait, Waiting, while_connected

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
    answers: TheAnswers,
    tenant: TheTenant,
    waiting: PreferredWaiting,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Admits a job and answers at once, or when it has ended; the seed that was drawn is in the answer."""
    job_id = id_for_key(idempotency_key, tenant) if idempotency_key else None
    record = await waiting.end_of(await submission.submit(body, tenant=tenant, job_id=job_id, files=files))
    return _submitted(record, await answers.response(record, 200 if record.status.is_terminal else 202), waiting)


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
    answers: TheAnswers,
    tenant: TheTenant,
    waiting: PreferredWaiting,
) -> Response:
    """Admits a job under an id of the caller's; the same body again gives the same job."""
    record = await waiting.end_of(await submission.submit(body, tenant=tenant, job_id=job_id, files=files))
    was_there = record.is_replayed or record.status.is_terminal
    return _submitted(record, await answers.response(record, 200 if was_there else 202), waiting)


@router.get("/{job_id}", response_model=Job, responses={304: {"description": "As it was"}})
async def read_job(
    job_id: JobId,
    request: Request,
    store: TheStore,
    events: TheEvents,
    answers: TheAnswers,
    tenant: TheTenant,
    wait: Wait = 0,
) -> Response:
    """The job as it is; with `wait` at its end, or with `If-None-Match` as soon as it is not the same any more."""
    found = await store.look_up(job_id, tenant=tenant)
    if not wait or found.status.is_terminal:
        return await answers.response(found, condition=request)
    is_conditional = "if-none-match" in request.headers
    if is_conditional and not await answers.has(request, found):
        return await answers.response(found)

    def is_news(record: JobRecord) -> bool:
        return record.version != found.version if is_conditional else record.status.is_terminal

    changed = await while_connected(request, events.wait_for_change(found.record(), is_news, wait))
    return await answers.response(changed or found, condition=request)


@router.post("/{job_id}/cancel", response_model=Job)
async def cancel_job(job_id: JobId, store: TheStore, answers: TheAnswers, tenant: TheTenant) -> Response:
    """Cancels a job that waits or runs; a job that has ended stays as it is."""
    return await answers.response(await store.cancel(job_id, tenant=tenant))


@router.delete("/{job_id}", status_code=204)
async def erase_job(job_id: JobId, store: TheStore, storage: TheStorage, tenant: TheTenant) -> None:
    """Cancels a job that waits or runs, and erases the job, its prompt and its pictures. It may be repeated."""
    await store.erase(job_id, tenant=tenant)
    try:
        await asyncio.to_thread(storage.erase, names.record_id(tenant, job_id))
    except (StorageError, OSError) as error:
        raise StorageUnavailable("The storage does not delete the pictures now; send this again.") from error


def _submitted(record: JobRecord, answer: Response, waiting: Waiting) -> Response:
    answer.headers["Location"] = f"/v1/jobs/{record.id}"
    if record.is_replayed:
        answer.headers["Idempotency-Replayed"] = "true"
    if waiting.wait_s and record.status.is_terminal:
        answer.headers["Preference-Applied"] = f"wait={waiting.wait_s}"
    return answer
