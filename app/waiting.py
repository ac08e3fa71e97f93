"""Requests that wait: for as long as they ask, and no longer than their client is there."""

import asyncio
import re
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Query, Request

WAIT_MAX_S = 60
PREFERENCE = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[;,]|$)', re.IGNORECASE)
Answer = TypeVar("Answer")


async def _preferred_wait_s(
    prefer: Annotated[
        list[str] | None,
        Header(description=f"`wait=N` waits for the job's end, up to {WAIT_MAX_S} seconds (RFC 7240)."),
    ] = None,
) -> int:
    """What is not understood is ignored, as the RFC wants it."""
    found = PREFERENCE.search(",".join(prefer or []))
    return min(int(found[1]), WAIT_MAX_S) if found else 0


PreferredWait = Annotated[int, Depends(_preferred_wait_s)]
Wait = Annotated[
    int,
    Query(ge=0, le=WAIT_MAX_S, description="Seconds to wait for the job's end, or for what `If-None-Match` lacks."),
]


async def while_connected(request: Request, waiting: Coroutine[Any, Any, Answer]) -> Answer | None:
    """What is waited for, or None as soon as the client has gone."""
    answer, gone = asyncio.create_task(waiting), asyncio.create_task(_gone(request))
    try:
        done, _ = await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer in done else gone.result()
    finally:
        answer.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
