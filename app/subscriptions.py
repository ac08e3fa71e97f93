import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

LISTEN_AGAIN_S = 0.2
SILENCE_S = 5.0  # then the connection is tried, and after as much again it is given up
logger = logging.getLogger(__name__)


class Subscriptions:
    """The channels that this process listens to, all on one connection, which is made anew whenever it is lost.

    `on_confirmed(channel)`: what is said from now on will be heard; what was said before has to be asked for. It comes
    again when there was a time in which nothing could be heard. `on_heard(channel, message)`: this was said.

    redis-py's own PubSub connects anew in silence, from whichever task happens to use it, and tells nobody.
    """

    def __init__(
        self, redis: Redis, on_confirmed: Callable[[str], None], on_heard: Callable[[str, bytes], None]
    ) -> None:
        self._redis = redis
        self._on_confirmed = on_confirmed
        self._on_heard = on_heard
        self._channels: set[str] = set()
        self._wishes: asyncio.Queue[tuple[str, ...]] | None = None  # none without a connection

    def add(self, channel: str) -> None:
        self._channels.add(channel)
        self._wish("SUBSCRIBE", channel)

    def remove(self, channel: str) -> None:
        self._channels.discard(channel)
        self._wish("UNSUBSCRIBE", channel)

    def _wish(self, *words: str) -> None:
        if self._wishes:
            self._wishes.put_nowait(words)

    async def listen(self) -> None:
        """Listens until it is cancelled."""
        while True:
            try:
                await self._listen_once()
            except Exception:  # whatever it is, who listens here must not go deaf
                logger.exception("Listening to Redis went wrong.")
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _listen_once(self) -> None:
        connection = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        sending = None
        try:
            await connection.connect()
            self._wishes = asyncio.Queue()
            if self._channels:
                self._wish("SUBSCRIBE", *self._channels)
            sending = asyncio.create_task(self._send(connection, self._wishes))
            await self._receive(connection)
        except (RedisError, OSError) as lost:
            if sending:
                logger.warning("What Redis tells is not heard now: %s", lost)
        finally:
            self._wishes = None
            if sending:
                sending.cancel()
            await connection.disconnect(nowait=True)

    async def _send(self, connection: AbstractConnection, wishes: "asyncio.Queue[tuple[str, ...]]") -> None:
        with suppress(RedisError, OSError):  # then who receives meets it too
            while True:
                wish = await wishes.get()
                if not connection.is_connected:
                    return  # or else it would connect by itself
                await connection.send_command(*wish, check_health=False)

    async def _receive(self, connection: AbstractConnection) -> None:
        was_silent = False
        while True:
            answer = await connection.read_response(timeout=SILENCE_S, disconnect_on_error=False, push_request=True)
            if answer is None and was_silent:
                raise RedisConnectionError("It does not answer.")
            if was_silent := answer is None:
                self._wish("PING")
            elif isinstance(answer, list):
                self._take(*answer)

    def _take(self, kind: bytes, channel: bytes, *rest: bytes) -> None:
        if kind == b"subscribe":
            self._on_confirmed(channel.decode())
        elif kind == b"message":
            self._on_heard(channel.decode(), rest[0])
