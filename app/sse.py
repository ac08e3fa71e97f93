"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), as they go over the wire."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

PING_S = 15.0  # proxies close what is silent for 30 s or a minute
RETRY_MS = 1_000
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # nginx and its kin would hold the events back
PING = KEEPALIVE_COMMENT
BEGIN = format_sse_event(retry=RETRY_MS)


class EventStream(EventSourceResponse):
    """Sends what the source yields, and closes the source when the client has gone."""

    def __init__(self, source: AsyncGenerator[bytes, None]) -> None:
        super().__init__(source, headers=HEADERS)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._source):
            await super().__call__(scope, receive, send)


def encode(event: str, data: str, event_id: object = None) -> bytes:
    return format_sse_event(event=event, data_str=data, id=None if event_id is None else str(event_id))
