"""Requests that wait: for as long as they ask, and no longer than their client is there."""

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Query, Request

from app.contract.job import JobRecord
from app.dependencies import TheEvents
from app.events import Events

WAIT_MAX_S = 60
PREFERENCE = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[;,]|$)', re.IGNORECASE)
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Waiting:
    """A client that would rather wait for the end of its job, for so long."""

    request: Request
    events: Events
    wait_s: int

    async def end_of(self, job: JobRecord) -> JobRecord:
        """The job at its end, if it ends in time and the client stays.

        Raises RedisUnavailable.
        """
        if not self.wait_s:
            return job
        ended = await while_connected(self.request, self.events.wait_for_end(job, self.wait_s)) or job
        return ended.model_copy(update={"is_replayed": job.is_replayed})


async def _preferred(
    request: Request,
    events: TheEvents,
    prefer: Annotated[
        list[str] | None,
        Header(description=f"`wait=N` waits for the job's end, up to {WAIT_MAX_S} seconds (RFC 7240)."),
    ] = None,
) -> Waiting:
    """What is not understood is ignored, as the RFC wants it."""
    found = PREFERENCE.search(",".join(prefer or []))
    return Waiting(request, events, min(int(found[1]), WAIT_MAX_S) if found else 0)


PreferredWaiting = Annotated[Waiting, Depends(_preferred)]
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
