"""What surrounds every request: its id, its body's limit, the count of it, and the last resort when it fails."""

import logging
import re
import secrets
import time
import traceback

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import Traffic
from app.problems import BodyTooLarge, TooManyBodies, problem

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SMALL_BODY_BYTES = 100_000
logger = logging.getLogger(__name__)


class Envelope:
    """Gives every answer an `x-request-id` (the caller's own, if it is a plain word) and counts it.

    An exception that nobody expected becomes a 500. The log gets its type and its stack, not its message: that may
    hold a prompt.
    """

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self.app = app
        self.traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = scope["request_id"] = asked if REQUEST_ID.fullmatch(asked) else secrets.token_hex(16)
        began = time.perf_counter()
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception as error:
            stack = "".join(traceback.format_tb(error.__traceback__))
            logger.error("request %s failed: %s\n%s", request_id, type(error).__name__, stack)
            if status is not None:
                raise
            answer = problem(Request(scope), 500, "internal", f"Darkroom failed; its log knows request {request_id}.")
            await answer(scope, receive, send_with_id)
        finally:
            self.traffic.count(scope, status, time.perf_counter() - began)


class BodyLimit:
    """Refuses a body that is larger than it may be, by its announced length or as it arrives.

    A body is held until its request is answered; a large one is also refused when too much is held already. FastAPI's
    own `max_body_size` answers an announced length in plain text, whatever the error handlers say.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_held_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.max_held_bytes = max_held_bytes
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        is_announced_too_large = int(announced) > self.max_bytes
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            if is_announced_too_large:
                raise BodyTooLarge(self.max_bytes)
            message = await receive()
            received += len(message.get("body", b""))
            self._held_bytes += len(message.get("body", b""))
            if received > self.max_bytes:
                raise BodyTooLarge(self.max_bytes)
            if received > SMALL_BODY_BYTES and self._held_bytes > self.max_held_bytes:
                raise TooManyBodies
            return message

        try:
            await self.app(scope, receive_limited, send)
        finally:
            self._held_bytes -= received
