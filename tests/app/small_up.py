"""`darkroom up` with a worker that only holds its lease: `python -m tests.app.small_up STATE_DIR`."""

import asyncio
import sys
from pathlib import Path

from app.contract import names
from app.contract.settings import Settings
from app.contract.unstartable import Unstartable
from app.terminal import fail, say
from app.up import up

WORKER = """
import signal, sys
from redis import Redis

address, lease, name = sys.argv[1:]
with Redis.from_url(address) as redis:
    redis.set(lease, name)
signal.pause()
"""


def main() -> None:
    settings = Settings(state_dir=Path(sys.argv[1]), port=0, grace_s=0.1)

    def worker(name: str) -> list[str]:
        return [sys.executable, "-c", WORKER, settings.redis_address, names.lease_key(name), name]

    try:
        asyncio.run(up(settings, say, worker))
    except Unstartable as error:
        fail(str(error))


if __name__ == "__main__":
    main()
