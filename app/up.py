"""`darkroom up`: Redis, the API, the courier and the workers on one machine, under one supervisor."""

import asyncio
import socket
import sys
from contextlib import suppress

from app.auth import require_a_key
from app.contract import tracing
from app.contract.catalogue import Catalogue
from app.contract.errors import RedisUnavailable
from app.contract.queues import Queues
from app.contract.settings import Settings
from app.listener import address_of, listen
from app.redis_client import connect
from app.redis_server import start_redis
from app.supervisor import Program, Say, Supervisor
from app.workers import Command, courier_program, environment, worker_command, worker_programs

LOOK_AGAIN_S = 0.1
API_GRACE_S = 15.0


async def up(settings: Settings, say: Say, worker: Command = worker_command) -> None:
    """Runs until it is asked to stop by a signal.

    Raises Unstartable and CatalogueUnreadable.
    """
    Catalogue.read(settings.catalogue)  # what is wrong with it is told here once, not by every child
    tracing.require_packages(settings)
    with listen(settings.host, settings.port) as listener:
        settings = settings.model_copy(
            update={"state_dir": settings.state_dir.resolve(), "port": listener.getsockname()[1]}
        )
        supervisor = Supervisor(environment(settings), say)
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
            await start_redis(settings, supervisor, client)
        await require_a_key(settings)
        api = [sys.executable, "-m", "app.server", str(listener.fileno())]
        api_program = Program("api", lambda _life: api, API_GRACE_S, pass_fds=(listener.fileno(),))
        keeper, *workers = worker_programs(settings, client, worker)
        courier = courier_program(settings, client, beside=len(workers))
        supervisor.start([api_program, courier])  # which tells the ends of the last jobs, too
        supervisor.start([keeper, *workers])
        say(f"listening on {address_of(listener)}")
        await _tell_warm_workers(Queues(client, retention_s=settings.retention_s), say)


async def _tell_warm_workers(queues: Queues, say: Say) -> None:
    told: set[str] = set()
    while True:
        with suppress(RedisUnavailable):
            for each in await queues.announcements():
                if each.models and each.worker not in told:
                    told.add(each.worker)
                    say(f"{each.worker} is warm: {', '.join(each.models)} on {each.device} in {each.dtype}")
        await asyncio.sleep(LOOK_AGAIN_S)
