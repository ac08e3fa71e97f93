"""The way in: a request under /v1 is known or refused before its body is read."""

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth import Caller, Doorkeeper, path_of
from app.contract.errors import Overloaded, RequestRejected, ShareFull
from app.contract.keys import Pace
from app.problems import explain

GUARDED = "/v1/"


class Door:
    """Puts the caller into the scope, and tells the holder of a key how much is left of its limits.

    What is not under /v1 is open: health and metrics, for the machines around, which hold no keys, and the description
    of the API. None of it tells of a job or a tenant.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not path_of(scope).startswith(GUARDED):
            await self.app(scope, receive, send)
            return
        request, doorkeeper = Request(scope), scope["app"].state.doorkeeper
        try:
            caller, pace = await _let_in(request, doorkeeper)
        except (RequestRejected, Overloaded) as error:
            answer = await explain(request, error)
            await answer(scope, receive, send)
            return
        scope["caller"] = caller
        headers = _limits(caller, pace)

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                for name, value in headers.items():
                    MutableHeaders(scope=message).append(name, value)
            await send(message)

        app = self.app if not pace or pace.is_allowed else await explain(request, _too_fast(pace))
        await app(scope, receive, send_with_limits)


async def _let_in(request: Request, doorkeeper: Doorkeeper) -> tuple[Caller, Pace | None]:
    caller = await doorkeeper.identify(request)
    return caller, await doorkeeper.count(caller)


def _limits(caller: Caller, pace: Pace | None) -> dict[str, str]:
    headers = {}
    if caller.key and caller.key.limits.policy:
        headers["RateLimit-Policy"] = caller.key.limits.policy
    if pace:
        headers["RateLimit"] = f'"requests_per_minute";r={pace.left};t={pace.full_s}'
    return headers


def _too_fast(pace: Pace) -> ShareFull:
    message = "The limit requests_per_minute of this API key is reached."
    return ShareFull(message, retry_after_s=pace.wait_s)
