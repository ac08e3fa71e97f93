"""`darkroom worker` with workers that develop nothing: `python -m tests.app.small_workers`, settings as always."""

import asyncio
import json
import sys

from app.contract.settings import Settings
from app.terminal import say
from app.workers import work


def main() -> None:
    settings = Settings()

    def command(name: str) -> list[str]:
        options = {"name": name, "lease_s": settings.lease_s, "grace_s": settings.grace_s, "capacity": 1}
        return [sys.executable, "-m", "tests.worker.queue.worker_process", settings.redis_address, json.dumps(options)]

    asyncio.run(work(settings, say, command))


if __name__ == "__main__":
    main()
