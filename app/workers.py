"""The workers of one machine, one per GPU, and its courier: children of the supervisor.

`darkroom worker` runs the workers alone, `darkroom courier` the courier.
"""

import importlib.util
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.contract import names, tracing
from app.contract.catalogue import Catalogue
from app.contract.settings import Settings
from app.contract.unstartable import Unstartable
from app.gpus import visible_gpus
from app.redis_client import connect
from app.supervisor import Program, Say, Supervisor

AFTER_GRACE_S = 5.0  # a worker gives its unfinished jobs back when its grace is over
VISIBLE = "CUDA_VISIBLE_DEVICES"
METRICS_PORT = "DARKROOM_METRICS_PORT"

Command = Callable[[str], list[str]]


def worker_command(name: str) -> list[str]:
    return [sys.executable, "-m", "worker", "--name", name]


def keeper_command(name: str) -> list[str]:
    return [sys.executable, "-m", "worker.keeper", "--name", name]


def courier_command(name: str) -> list[str]:
    return [sys.executable, "-m", "worker.courier", "--name", name]


def require_packages() -> None:
    """Raises Unstartable."""
    for package in ("torch", "diffusers", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise Unstartable(f"The worker needs {package}: pip install 'darkroom[worker]'.")


async def work(settings: Settings, say: Say, command: Command = worker_command) -> None:
    """Keeps the workers running until it is asked to stop by a signal.

    Raises CatalogueUnreadable and Unstartable.
    """
    Catalogue.read(settings.catalogue)  # what is wrong with it is told here once, not by every child
    await _supervise(settings, say, lambda client: worker_programs(settings, client, command))


async def deliver(settings: Settings, say: Say) -> None:
    """Keeps a courier running until it is asked to stop by a signal.

    Raises Unstartable.
    """
    await _supervise(settings, say, lambda client: [courier_program(settings, client)])


async def _supervise(settings: Settings, say: Say, programs: Callable[[Redis], list[Program]]) -> None:
    tracing.require_packages(settings)
    async with connect(settings.redis_address) as client:
        supervisor = Supervisor(environment(settings), say)
        supervisor.listen_to_signals()
        supervisor.start(programs(client))
        await supervisor.stopping.wait()
        await supervisor.stop()


def worker_programs(settings: Settings, client: Redis, command: Command) -> list[Program]:
    """The workers, and who keeps their jobs while none of them lives."""
    gpus = visible_gpus(environment(settings).get(VISIBLE)) if settings.device in ("auto", "cuda") else []
    number = settings.workers if settings.workers != "auto" else max(1, len(gpus))
    own = [({VISIBLE: gpus[n % len(gpus)]} if gpus else {}) | _metrics_port(settings, n) for n in range(number)]
    titles = [f"worker-{n}" for n in range(number)] if number > 1 else ["worker"]
    keeper = _program("keeper", {}, settings, client, keeper_command)
    return [keeper, *(_program(*each, settings, client, command) for each in zip(titles, own, strict=True))]


def courier_program(settings: Settings, client: Redis, beside: int = 0) -> Program:
    """The courier, on a machine with so many workers."""
    return _program("courier", _metrics_port(settings, beside), settings, client, courier_command)


def environment(settings: Settings) -> dict[str, str]:
    """For the children: this process's own, and the settings."""
    given = settings.model_dump(exclude_none=True)
    ours = os.environ  # noqa: TID251 - passed on, and read for what is not Darkroom's own
    return {**ours, **{f"DARKROOM_{name.upper()}": str(value) for name, value in given.items()}}


def _metrics_port(settings: Settings, place: int) -> dict[str, str]:
    return {METRICS_PORT: str(settings.metrics_port + place)} if settings.metrics_port else {}


def _program(title: str, own: dict[str, str], settings: Settings, client: Redis, command: Command) -> Program:
    def worker_name(life: str) -> str:
        return f"darkroom-{socket.gethostname()}-{life}"

    async def free_its_jobs(life: str) -> None:
        with suppress(RedisError):
            await client.delete(names.lease_key(worker_name(life)))

    return Program(
        title,
        lambda life: command(worker_name(life)),
        settings.grace_s + AFTER_GRACE_S,
        after_death=free_its_jobs,
        environment=own,
    )
