"""What surrounds every request: its id, its body's limit, what is told of it, and the last resort when it fails."""

import logging
import re
import secrets
import time
import traceback
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.contract import logs
from app.contract.tracing import Span, Tracer
from app.metrics import Traffic, labels_of
from app.problems import BodyTooLarge, TooManyBodies, problem

WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
PROBES = {"/livez", "/readyz", "/metrics"}  # nobody wants to read of them, every second
SMALL_BODY_BYTES = 100_000
logger = logging.getLogger(__name__)


class AnswerBroken(Exception):
    """Raised when an answer that has begun cannot be finished; the log has the reason already."""


class Envelope:
    """Gives every answer an `x-request-id` (the caller's own, if it is a plain word), counts it, logs it and traces it.

    An exception that nobody expected becomes a 500. The log gets its type and its stack, not its message: that may
    hold a prompt. Of an address only the route is told, since what is signed is in its query.
    """

    def __init__(self, app: ASGIApp, traffic: Traffic, tracer: Tracer) -> None:
        self.app = app
        self.traffic = traffic
        self.tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        asked = headers.get("x-request-id", "")
        scope["request_id"] = asked if WORD.fullmatch(asked) else secrets.token_hex(16)
        tracer = Tracer() if scope["path"] in PROBES else self.tracer
        with (
            logs.about(request_id=scope["request_id"]) as facts,
            tracer.span("request", "server", {}, parent=headers.get("traceparent")) as span,
        ):
            await self._answer(scope, receive, send, facts, span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, facts: dict[str, Any], span: Span) -> None:
        began = time.perf_counter()
        request_id = scope["request_id"]
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
                raise AnswerBroken from None  # whoever logs or traces it sees no message
            answer = problem(Request(scope), 500, "internal", f"Darkroom failed; its log knows request {request_id}.")
            await answer(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            self.traffic.count(scope, status, seconds)
            _tell(scope, status, seconds, facts, span)


def _tell(scope: Scope, status: int | None, seconds: float, facts: dict[str, Any], span: Span) -> None:
    route, method = labels_of(scope)
    job_id = scope.get("path_params", {}).get("job_id", "")
    if WORD.fullmatch(job_id):
        facts["job_id"] = job_id
    span.rename(f"{method} {route}")
    span.note({"http.request.method": method, "http.route": route})
    span.note({f"darkroom.{name}": value for name, value in facts.items()})
    if status:
        span.note({"http.response.status_code": status})
    if status and status >= 500:
        span.fail(str(status))
    if logger.isEnabledFor(logging.INFO) and scope["path"] not in PROBES:
        told = {"method": method, "route": route, "status": status, "seconds": round(seconds, 6)}
        about = f" (job {facts['job_id']})" if "job_id" in facts else ""
        logger.info("%s %s: %s after %.3f s%s", method, route, status, seconds, about, extra={"facts": told})


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
