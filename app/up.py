"""`darkroom up`: Redis, the API and the worker on one machine, under one supervisor."""

import asyncio
import importlib.util
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import redis.asyncio
from redis.exceptions import RedisError

from app.contract import names
from app.contract.catalogue import Catalogue
from app.contract.errors import RedisUnavailable
from app.contract.job_store import JobStore
from app.contract.settings import Settings
from app.listener import address_of, listen
from app.redis_client import connect, job_store
from app.redis_server import LOG_FILE, lock_state_folder, redis_program
from app.supervisor import Child, Program, Say, Supervisor
from app.unstartable import Unstartable

LOOK_AGAIN_S = 0.1
API_GRACE_S = 15.0
AFTER_GRACE_S = 5.0  # a worker gives its unfinished jobs back when its grace is over

Command = Callable[[str], list[str]]


def worker_command(name: str) -> list[str]:
    return [sys.executable, "-m", "worker", "--name", name]


def require_worker() -> None:
    """Raises Unstartable."""
    for package in ("torch", "diffusers", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise Unstartable(f"The worker needs {package}: pip install 'darkroom[worker]'.")


async def up(settings: Settings, say: Say, worker: Command = worker_command) -> None:
    """Runs until it is asked to stop by a signal.

    Raises Unstartable and CatalogueUnreadable.
    """
    Catalogue.read(settings.catalogue)  # what is wrong with it is told here once, not by every child
    with listen(settings.host, settings.port) as listener:
        settings = settings.model_copy(
            update={"state_dir": settings.state_dir.resolve(), "port": listener.getsockname()[1]}
        )
        supervisor = Supervisor(_environment(settings), say)
        supervisor.listen_to_signals()
        running = asyncio.create_task(_run(settings, supervisor, listener, say, worker))
        stop = asyncio.create_task(supervisor.stopping.wait())
        try:
            await asyncio.wait({running, stop}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            running.cancel()
            await supervisor.stop()


async def _run(settings: Settings, supervisor: Supervisor, listener: socket.socket, say: Say, worker: Command) -> None:
    async with connect(settings.redis_address) as client:
        if settings.redis_url is None:
            program = redis_program(settings, lock_state_folder(settings.state_dir))
            if not await _answers(client, supervisor.start([program])[0]):
                raise Unstartable(f"The embedded Redis does not start: {settings.state_dir / LOG_FILE} says why.")
        api = [sys.executable, "-m", "app.server", str(listener.fileno())]
        supervisor.start([Program("api", lambda _life: api, API_GRACE_S, pass_fds=(listener.fileno(),))])
        supervisor.start([_worker_program(settings, client, worker)])
        say(f"listening on {address_of(listener)}")
        await _tell_warm_workers(job_store(client, settings), say)


async def _answers(client: redis.asyncio.Redis, server: Child) -> bool:
    """Waits until Redis has read its file, however long that takes; false if it ends instead."""
    while server.deaths == 0:
        with suppress(RedisError):
            await client.ping()
            return True
        await asyncio.sleep(LOOK_AGAIN_S / 5)
    return False


def _worker_program(settings: Settings, client: redis.asyncio.Redis, command: Command) -> Program:
    def worker_name(life: str) -> str:
        return f"darkroom-{socket.gethostname()}-{life}"

    async def free_its_jobs(life: str) -> None:
        with suppress(RedisError):
            await client.delete(names.lease_key(worker_name(life)))

    return Program(
        "worker", lambda life: command(worker_name(life)), settings.grace_s + AFTER_GRACE_S, after_death=free_its_jobs
    )


async def _tell_warm_workers(store: JobStore, say: Say) -> None:
    told: set[str] = set()
    while True:
        with suppress(RedisUnavailable):
            for each in await store.announcements():
                if each.models and each.worker not in told:
                    told.add(each.worker)
                    say(f"{each.worker} is warm: {', '.join(each.models)} on {each.device} in {each.dtype}")
        await asyncio.sleep(LOOK_AGAIN_S)


def _environment(settings: Settings) -> dict[str, str]:
    given = settings.model_dump(exclude_none=True)
    ours = os.environ  # noqa: TID251 - the children's environment is this process's own plus the settings
    return {**ours, **{f"DARKROOM_{name.upper()}": str(value) for name, value in given.items()}}
