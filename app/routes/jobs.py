from typing import Any

from fastapi import APIRouter, Depends, Response

from app.contract.generation import GenerationRequest
from app.contract.job import Job, JobRecord
from app.dependencies import (
    IdempotencyKey,
    JobId,
    TheAnswers,
    TheSubmission,
    TheTenant,
    require_json,
)
from app.pictures.form import FORM_BODY, FormRoute, TheFiles
from app.problems import RESPONSES
from app.submission import id_for_key
from app.waiting import PreferredWaiting, Waiting

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


def _submitted(record: JobRecord, answer: Response, waiting: Waiting) -> Response:
    answer.headers["Location"] = f"/v1/jobs/{record.id}"
    if record.is_replayed:
        answer.headers["Idempotency-Replayed"] = "true"
    if waiting.wait_s and record.status.is_terminal:
        answer.headers["Preference-Applied"] = f"wait={waiting.wait_s}"
    return answer
