import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

ANSWER = b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n%s\r\n"


@dataclass
class Listener:
    """A bare server that keeps what it is sent and answers as it is told."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)
    answer: bytes = ANSWER % (b"200 OK", b"")


@asynccontextmanager
async def listening(
    host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Listener]:
    listener = Listener()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.heard.append(await reader.read(65_536))
        writer.write(listener.answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(hear, host, port, ssl=tls) as server:
        listener.port = server.sockets[0].getsockname()[1]
        yield listener
