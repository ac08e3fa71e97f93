import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.middleware import BodyLimit
from app.problems import TooManyBodies

HTTP: dict[str, Any] = {"type": "http", "headers": []}


async def nobody(_message: Message) -> None: ...


def sending(*pieces: int) -> Receive:
    """A body that comes in pieces of so many bytes."""
    messages = iter([{"type": "http.request", "body": bytes(size)} for size in pieces])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    return receive


def test_a_large_body_is_refused_as_long_as_others_leave_it_no_room() -> None:
    async def meet() -> None:
        held, answered = asyncio.Event(), asyncio.Event()

        async def hold(_scope: Scope, receive: Receive, _send: Send) -> None:
            while (await receive())["type"] == "http.request":
                pass
            held.set()
            await answered.wait()

        limit = BodyLimit(hold, max_bytes=1_000_000, max_held_bytes=600_000)
        first = asyncio.create_task(limit(HTTP, sending(300_000, 200_000), nobody))
        await held.wait()

        with pytest.raises(TooManyBodies):
            await limit(HTTP, sending(60_000, 60_000), nobody)
        answered.set()
        await limit(HTTP, sending(90_000), nobody)
        await first
        await limit(HTTP, sending(300_000, 300_000), nobody)

    asyncio.run(meet())


def test_a_small_body_is_taken_all_the_same() -> None:
    async def read(_scope: Scope, receive: Receive, _send: Send) -> None:
        assert (await receive())["body"]

    asyncio.run(BodyLimit(read, max_bytes=1_000_000, max_held_bytes=1_000)(HTTP, sending(90_000), nobody))
