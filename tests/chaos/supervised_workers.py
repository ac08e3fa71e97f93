"""Two workers with a stub engine under the supervisor of `darkroom up`: `... supervised_workers OPTIONS`."""

import asyncio
import json
import sys
from typing import Any

from app.contract.settings import Settings
from app.redis_client import connect
from app.supervisor import Supervisor
from app.workers import environment, worker_programs

WORKERS = 2


async def main(options: dict[str, Any]) -> None:
    settings = Settings(redis_url=options["url"], grace_s=20, workers=WORKERS)

    def command(name: str) -> list[str]:
        return [sys.executable, "-m", "tests.chaos.worker_process", json.dumps({**options, "name": name})]

    async with connect(settings.redis_address) as client:
        supervisor = Supervisor(environment(settings), print)
        supervisor.listen_to_signals()
        supervisor.start(worker_programs(settings, client, command))
        await supervisor.stopping.wait()
        await supervisor.stop()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
