import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.redis_server import RedisServer


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
