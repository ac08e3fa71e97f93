"""A TCP proxy before Redis that loses replies: the server has done what it was asked, and nobody is told."""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from app.contract.events import with_tell
from app.contract.job_store import ADMIT
from worker.queue.ledger import SCRIPTS as LEDGERS

CHUNK = 1 << 20
NOTHING = (b"*0\r\n", b":0\r\n")
SCRIPTS = {"admit": ADMIT, **{name: with_tell(LEDGERS / f"{name}.lua") for name in ("claim", "fence")}}


class LossyProxy:
    """Cuts the connection instead of forwarding some replies to the scripts, if they say that something was done."""

    def __init__(self, socket: str, chance: random.Random, share: float) -> None:
        self.lost: Counter[str] = Counter()
        self._socket = socket
        self._chance = chance
        self._share = share
        self._scripts = {_digest(text): name for name, text in SCRIPTS.items()}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._socket)
        asked: list[str] = []
        with suppress(ConnectionError):
            await _first_of(self._forward(reader, to_server, asked), self._answer(from_server, writer, asked))
        writer.close()
        to_server.close()

    async def _forward(self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter, asked: list[str]) -> None:
        while request := await reader.read(CHUNK):
            asked += [name for digest, name in self._scripts.items() if digest in request]
            to_server.write(request)

    async def _answer(self, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[str]) -> None:
        while reply := await from_server.read(CHUNK):
            if asked:
                script = asked.pop()
                if reply not in NOTHING and not reply.startswith(b"-") and self._chance.random() < self._share:
                    self.lost[script] += 1
                    return
            writer.write(reply)


async def _first_of(*ways: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(way) for way in ways]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


def _digest(script: str) -> bytes:
    return hashlib.sha1(script.encode()).hexdigest().encode()  # noqa: S324 - Redis names scripts so
