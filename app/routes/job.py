import asyncio

from fastapi import APIRouter, Request, Response
from obstore.exceptions import BaseError as StorageError

from app.contract import names
from app.contract.errors import StorageUnavailable
from app.contract.job import Job, JobRecord
from app.dependencies import JobId, TheAnswers, TheEvents, TheStorage, TheStore, TheTenant
from app.problems import RESPONSES
from app.waiting import Wait, while_connected

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=RESPONSES)


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
    unchanged = await answers.unchanged(request, found)
    is_conditional = "if-none-match" in request.headers
    if not wait or found.status.is_terminal or (is_conditional and not unchanged):
        return unchanged or await answers.response(found)

    def is_news(record: JobRecord) -> bool:
        return record.version != found.version if is_conditional else record.status.is_terminal

    now = await while_connected(request, events.wait_for_change(found.record(), is_news, wait)) or found
    return await answers.unchanged(request, now) or await answers.response(now)


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
