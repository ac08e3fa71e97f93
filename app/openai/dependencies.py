from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import Depends, Header, HTTPException, Request

from app.dependencies import IdempotencyKey, TheEvents, TheLinks, TheStorage, TheSubmission, TheTenant
from app.openai.desk import Desk
from app.openai.visit import Visit

RetryCount = Annotated[
    str,
    Header(
        alias="x-stainless-retry-count",
        pattern="^[0-9]{1,4}$",
        description="How often OpenAI's SDK has sent this before; a retry gets the job of its first try.",
    ),
]


async def _until_answered() -> AsyncIterator[AsyncExitStack]:
    """What is entered here is left when the answer was sent, all of its stream, or the client has gone."""
    async with AsyncExitStack() as stack:
        yield stack


async def _visit(
    request: Request,
    tenant: TheTenant,
    until_answered: Annotated[AsyncExitStack, Depends(_until_answered)],
    idempotency_key: IdempotencyKey = None,
    retry_count: RetryCount = "0",
) -> Visit:
    return Visit(request, tenant, idempotency_key, int(retry_count) > 0, request.app.state.attendance, until_answered)


async def _desk(
    request: Request, submission: TheSubmission, events: TheEvents, storage: TheStorage, links: TheLinks
) -> Desk:
    state = request.app.state
    return Desk(submission, events, storage, links, state.openai_wait_s, state.public_url)


async def require_form(request: Request) -> None:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(415, "Send the pictures and the rest as a form: `Content-Type: multipart/form-data`.")


TheVisit = Annotated[Visit, Depends(_visit)]
TheDesk = Annotated[Desk, Depends(_desk)]
