import hashlib
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from app.conditional import has_already
from app.contract.generation import GenerationRequest
from app.contract.job import Job, JobRecord
from app.dependencies import (
    IdempotencyKey,
    JobId,
    TheStore,
    TheSubmission,
    TheTenant,
    require_json,
)
from app.pictures.form import FORM_BODY, FormRoute, TheFiles
from app.problems import RESPONSES
from app.submission import id_for_key

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
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Admits a job and answers at once; the seed that was drawn is in the answer."""
    job_id = id_for_key(idempotency_key, tenant) if idempotency_key else None
    record = await submission.submit(body, tenant=tenant, job_id=job_id, files=files)
    return _submitted(record, 200 if record.status.is_terminal else 202)


@router.put(
    "/{job_id}",
    status_code=202,
    response_model=Job,
    dependencies=[Depends(require_json)],
    responses=REPLAYED,
    openapi_extra=FORM_BODY,
)
async def put_job(
    job_id: JobId, body: GenerationRequest, files: TheFiles, submission: TheSubmission, tenant: TheTenant
) -> Response:
    """Admits a job under an id of the caller's; the same body again gives the same job."""
    record = await submission.submit(body, tenant=tenant, job_id=job_id, files=files)
    return _submitted(record, 200 if record.is_replayed else 202)


@router.get("/{job_id}", response_model=Job, responses={304: {"description": "As it was"}})
async def read_job(job_id: JobId, request: Request, store: TheStore, tenant: TheTenant) -> Response:
    answer = _job_answer(await store.find(job_id, tenant=tenant))
    if has_already(request, answer.headers["ETag"]):
        del answer.headers["content-length"], answer.headers["content-type"]
        answer.status_code, answer.body = 304, b""
    return answer


@router.post("/{job_id}/cancel", response_model=Job)
async def cancel_job(job_id: JobId, store: TheStore, tenant: TheTenant) -> Response:
    """Cancels a job that waits or runs; a job that has ended stays as it is."""
    return _job_answer(await store.cancel(job_id, tenant=tenant))


def _submitted(record: JobRecord, status: int) -> Response:
    answer = _job_answer(record)
    answer.status_code = status
    answer.headers["Location"] = f"/v1/jobs/{record.id}"
    if record.is_replayed:
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


def _job_answer(record: JobRecord) -> Response:
    content = Job.of(record).model_dump_json().encode()
    headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"', "Cache-Control": "private, no-cache"}
    if not record.status.is_terminal:
        headers["Retry-After"] = str(POLL_AGAIN_S)
    return Response(content, headers=headers, media_type="application/json")
