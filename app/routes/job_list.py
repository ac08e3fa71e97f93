import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator
from pydantic_core import PydanticCustomError

from app.contract.job import Job, JobStatus
from app.contract.job_list import CURSOR, JobList, Wanted
from app.dependencies import TheAnswers, TheTenant
from app.problems import RESPONSES

DAY_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:")
METADATA = re.compile(r"metadata\[(.+)\]", re.DOTALL)
METADATA_PARAMETER = {
    "name": "metadata",
    "in": "query",
    "description": "`metadata[key]=value`: jobs whose metadata hold all of these.",
    "style": "deepObject",
    "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}
LINK = {"description": 'The next page: `<...>; rel="next"`.', "schema": {"type": "string"}}
LISTED: dict[int | str, dict[str, Any]] = {200: {"headers": {"Link": LINK}}}

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=RESPONSES)


class Jobs(BaseModel):
    """One page of a list of jobs, the newest first."""

    object: Literal["list"] = "list"
    data: list[Job]
    has_more: bool
    next_cursor: str | None


def _as_text(moment: str) -> str:
    if not DAY_AND_TIME.match(moment):  # pydantic would take a number for seconds since 1970
        raise PydanticCustomError("moment", "A moment is a day and a time, as in 2026-11-23T12:00:00Z")
    return moment


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, BeforeValidator(_as_text), AfterValidator(_in_utc)]


async def _wanted(
    request: Request,
    status: JobStatus | None = None,
    model: str | None = None,
    created_after: Annotated[Moment | None, Query(description="From this moment on.")] = None,
    created_before: Moment | None = None,
) -> Wanted:
    named = ((METADATA.fullmatch(name), value) for name, value in request.query_params.multi_items())
    metadata = {match[1]: value for match, value in named if match}
    return Wanted(status, model, metadata, created_after, created_before)


async def _job_list(request: Request) -> JobList:
    job_list: JobList = request.app.state.job_list
    return job_list


@router.get("", responses=LISTED, openapi_extra={"parameters": [METADATA_PARAMETER]})
async def list_jobs(
    request: Request,
    response: Response,
    wanted: Annotated[Wanted, Depends(_wanted)],
    job_list: Annotated[JobList, Depends(_job_list)],
    answers: TheAnswers,
    tenant: TheTenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(pattern=CURSOR, description="`next_cursor` of the page before.")] = None,
) -> Jobs:
    """The caller's jobs, the newest first. There may be more also after a page that holds fewer than were asked for."""
    page = await job_list.page(wanted, tenant=tenant, limit=limit, cursor=cursor)
    if page.next_cursor:
        following = request.url.include_query_params(cursor=page.next_cursor)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    shown = [await answers.job(record) for record in page.records]
    return Jobs(data=shown, has_more=page.next_cursor is not None, next_cursor=page.next_cursor)
