"""What happened, told by others than the queue: the workers' notes on disk, and the log of all that Redis wrote."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import hiredis

from app.contract.storage import FOLDER

STARTS, STEPS = "starts", "steps"  # files in a scene's folder
ENDED = {b"finished", b"failed", b"stopped", b"canceled"}


def picture_of(folder: Path, key: str) -> Path:
    return folder / "images" / FOLDER / key


@dataclass(frozen=True, order=True)
class Start:
    """A worker began with a job; the moment is the machine's monotonic clock."""

    moment: float
    pid: int
    job_id: str
    execution_id: str


@dataclass(frozen=True)
class Fault:
    """A worker was killed or paused, with all that it had in hand."""

    moment: float
    pid: int


class History:
    """The whole past of a scene, read once it is over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.published: dict[str, list[str]] = defaultdict(list)  # a job's executions that wrote a result
        self.statuses: dict[str, list[bytes]] = defaultdict(list)
        for command in self._written():
            self._read(command)

    @cached_property
    def starts(self) -> list[Start]:
        return read_starts(self._folder)

    def recoveries(self, faults: list[Fault]) -> list[float]:
        """How long each job that a fault interrupted waited until a worker had it in hand again, in seconds."""
        waits = []
        for fault in faults:
            held = [s for s in self.starts if s.pid == fault.pid and s.moment < fault.moment and not self._ended(s)]
            for start in held:
                later = [s.moment for s in self.starts if s.job_id == start.job_id and s.moment > start.moment]
                if later and later[0] > fault.moment:
                    waits.append(later[0] - fault.moment)
        return waits

    def revivals(self) -> list[str]:
        """Jobs that ended and then changed."""
        return [
            job_id
            for job_id, statuses in self.statuses.items()
            if any(before in ENDED and after != before for before, after in pairwise(statuses))
        ]

    def _ended(self, start: Start) -> bool:
        return start.execution_id in self.published[start.job_id]

    def _written(self) -> list[list[bytes]]:
        """Every command that changed Redis, in order: the append-only file holds a script's effects one by one."""
        logs = sorted((self._folder / "appendonlydir").glob("*.incr.aof"))
        if [log.name.split(".")[-3] for log in logs] != ["1"]:
            raise RuntimeError(f"Redis has rewritten its log, and what was published is not known: {logs}")
        reader = hiredis.Reader()
        reader.feed(logs[0].read_bytes())
        return list(iter(reader.gets, False))

    def _read(self, command: list[bytes]) -> None:
        name, key, *words = [*command, b"", b""]
        kind, _, job_id = key.decode(errors="replace").removeprefix("rq:").partition(":")
        if name == b"XADD" and kind == "results":
            self.published[job_id].append(words[words.index(b"execution_id") + 1].decode())
        if name == b"HSET" and kind == "job" and b"status" in words[::2]:
            self.statuses[job_id].append(words[words.index(b"status") + 1])


def read_steps(folder: Path, job_id: str) -> list[float]:
    """The moments of the job's steps."""
    lines = (line.split() for line in (folder / STEPS).read_text().splitlines())
    return [float(moment) for moment, stepped in lines if stepped == job_id]


def read_starts(folder: Path) -> list[Start]:
    """In the order in which they happened."""
    lines = (line.split() for line in (folder / STARTS).read_text().splitlines())
    return sorted(Start(float(moment), int(pid), job_id, execution) for moment, pid, job_id, execution in lines)
