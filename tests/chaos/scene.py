"""A Redis, workers and a front, all real, on a folder of their own; the faults are done to them here."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from app.contract.catalogue import Catalogue
from app.contract.errors import JobNotFound, RedisUnavailable
from app.contract.generation import GenerationRequest
from app.contract.job_store import JobStore
from app.contract.names import OPEN_TENANT
from app.contract.queues import Queues
from app.contract.settings import Settings
from app.redis_client import connect, job_store
from tests.chaos.history import STARTS, Fault
from tests.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
LOOK_AGAIN_S = 0.05
RETENTION_S = 3_600
CLIENTS = 16

Process = subprocess.Popen[bytes]
Tell = Callable[[int, int], None]


class Scene:
    """What a case plays on. A worker that is killed is replaced at once, but nobody frees its jobs: its lease ends."""

    def __init__(self, folder: Path, seed: int, lease_s: float, tell: Tell) -> None:
        self.folder = folder
        self.chance = random.Random(seed)  # noqa: S311 - a run can be repeated
        self.lease_s = lease_s
        self.redis = RedisServer(folder, appendfsync="always")  # as in production
        self.address = self.redis.url
        self.settings = Settings(
            state_dir=folder, redis_url=self.address, max_queued=100_000, retention_s=RETENTION_S, lease_s=lease_s
        )
        self.workers: list[Process] = []
        self.faults: list[Fault] = []
        self.admitted: list[str] = []
        self.ended = 0
        self.newest_name = ""
        self._numbers = count()
        self._tell = tell
        (folder / STARTS).touch()

    def start_workers(self, number: int, capacity: int = 16) -> None:
        for _ in range(number):
            self.start_worker(capacity)

    def start_worker(self, capacity: int = 16) -> Process:
        self.newest_name = f"darkroom-chaos-{next(self._numbers)}"
        options = {
            "url": self.address,
            "folder": str(self.folder),
            "name": self.newest_name,
            "capacity": capacity,
            "lease_s": self.lease_s,
        }
        command = [sys.executable, "-m", "tests.chaos.worker_process", json.dumps(options)]
        self.workers.append(self.run(command))
        return self.workers[-1]

    def run(self, command: list[str], **options: Any) -> Process:
        """Starts a process with the scene's settings; its words go to the scene's folder."""
        settings = self.settings.model_dump(exclude_unset=True)
        environment = os.environ | {f"DARKROOM_{name.upper()}": str(value) for name, value in settings.items()}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, stderr=log, env=environment, **options)

    def kill_worker(self, worker: Process | None = None) -> None:
        worker = worker or self.chance.choice(self.workers)
        self.workers.remove(worker)
        self.note_fault(worker.pid)
        worker.kill()
        worker.wait()
        self.start_worker()

    async def pause_worker(self) -> None:
        """Holds a worker for longer than its lease, as a swapped-out machine would."""
        worker = self.chance.choice(self.workers)
        self.note_fault(worker.pid)
        os.kill(worker.pid, signal.SIGSTOP)
        await asyncio.sleep(1.5 * self.lease_s)
        os.kill(worker.pid, signal.SIGCONT)

    def note_fault(self, pid: int) -> None:
        self.faults.append(Fault(time.monotonic(), pid))

    async def admit(self, number: int, *, steps: int = 10, **metadata: Any) -> list[str]:
        """Admits jobs as clients do who want to be sure: with an id of their own, again while there is no Redis.

        The seeds are the same each time.
        """
        new = [f"job-{len(self.admitted) + n}" for n in range(number)]
        self.admitted += new
        remaining = iter(list(enumerate(new)))
        request = GenerationRequest(
            prompt="a cat", num_inference_steps=steps, metadata={name: str(value) for name, value in metadata.items()}
        )
        generation = Catalogue.read().find(None).fill(request)

        async def client(store: JobStore) -> None:
            for seed, job_id in remaining:
                await _until_redis_answers(
                    partial(store.admit, generation.model_copy(update={"seed": seed}), job_id, tenant=OPEN_TENANT)
                )

        async with self.store() as store:
            await asyncio.gather(*(client(store) for _ in range(CLIENTS)))
        return new

    async def cancel(self, job_id: str) -> None:
        async with self.store() as store:
            with suppress(JobNotFound):  # it is still to be admitted
                await _until_redis_answers(partial(store.cancel, job_id, tenant=OPEN_TENANT))

    @asynccontextmanager
    async def store(self) -> AsyncIterator[JobStore]:
        async with connect(self.address) as client:
            yield job_store(client, self.settings)

    async def watch(self, jobs: int, patience_s: float) -> None:
        """Counts the jobs that have ended, until all have or the patience is over: the census tells what is missing."""
        async with connect(self.address) as client:
            queues = Queues(client, retention_s=self.settings.retention_s)
            until = time.monotonic() + patience_s
            while self.ended < jobs and time.monotonic() < until:
                with suppress(RedisUnavailable):
                    counts = (await queues.counts(["mini"]))["mini"]
                    self.ended = counts.succeeded + counts.failed + counts.canceled
                self._tell(self.ended, jobs)
                await asyncio.sleep(LOOK_AGAIN_S)

    async def at_random(self, times: int, jobs: int) -> AsyncIterator[int]:
        """Moments spread by chance over the time in which the jobs end."""
        for number, share in enumerate(sorted(self.chance.uniform(0.02, 0.85) for _ in range(times))):
            while self.ended < share * jobs:
                await asyncio.sleep(LOOK_AGAIN_S)
            await asyncio.sleep(self.chance.uniform(0, 0.3))
            yield number

    async def stop_workers(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(worker.wait, 20)
        self.workers = []

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.redis.kill()


async def _until_redis_answers(ask: Callable[[], Any]) -> Any:
    while True:
        try:
            return await ask()
        except RedisUnavailable:
            await asyncio.sleep(LOOK_AGAIN_S)
