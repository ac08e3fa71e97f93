"""Hundreds of listeners on one process of the API while jobs run: each sees every event once, and memory stays flat.

    python -m benchmarks.listeners [--listeners 500] [--jobs 50] [--cuts 10] [--rounds 5]

The API, Redis and the workers are real processes; a step of the engine is a sleep. Each listener cuts itself off after
a few events, several times, and comes back with `Last-Event-ID`; at the end its ids are compared with the stream's.
"""

import argparse
import asyncio
import random
import resource
import sys
import time
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import psutil
from redis import Redis
from rich.console import Console
from rich.table import Table

from app.contract import names
from benchmarks.queue import scene
from tests.chaos.apis import Api
from tests.chaos.scene import Scene

CAPACITY = 16
STEPS, STEP_S = 100, 0.1
ASK = "GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: darkroom\r\n{after}Connection: close\r\n\r\n"
COME_BACK_S = 0.05


@dataclass
class Listener:
    """Follows one job on connections of its own, and breaks them off."""

    url: httpx.URL
    job: str
    cuts: int
    chance: random.Random
    seen: list[str] = field(default_factory=list)
    connections: int = 0

    async def follow(self) -> None:
        while await self._follow_a_while():
            await asyncio.sleep(self.chance.uniform(0, COME_BACK_S))

    async def _follow_a_while(self) -> bool:
        """Returns whether there may be more."""
        self.connections += 1
        at_most = self.chance.randint(1, 4) if self.connections <= self.cuts else sys.maxsize
        reader, writer = await asyncio.open_connection(self.url.host, self.url.port)
        try:
            after = f"Last-Event-ID: {self.seen[-1]}\r\n" if self.seen else ""
            writer.write(ASK.format(job=self.job, after=after).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                return not head.startswith(b"HTTP/1.1 204")
            while at_most and (line := await reader.readline()):
                if line.startswith(b"id: "):
                    self.seen.append(line[4:].strip().decode())
                    at_most -= 1
            return True
        finally:
            writer.close()


@dataclass(frozen=True)
class Round:
    events: int
    seconds: float
    wrong: int
    connections: int
    cpu_s: float
    megabytes: float


async def play(here: Scene, api: Api, options: argparse.Namespace) -> Round:
    process = psutil.Process(api.process.pid)
    began, cpu = time.monotonic(), sum(process.cpu_times()[:2])
    jobs = await here.admit(options.jobs, steps=STEPS, step_s=STEP_S)
    listeners = [
        Listener(httpx.URL(api.url), jobs[n % len(jobs)], options.cuts, random.Random(n))  # noqa: S311
        for n in range(options.listeners)
    ]
    await asyncio.gather(*(listener.follow() for listener in listeners))
    with Redis.from_url(here.address) as redis:
        streams = {job: cast(Any, redis).xrange(names.events_key(job)) for job in jobs}
    told = {job: [entry_id.decode() for entry_id, _ in entries] for job, entries in streams.items()}
    return Round(
        events=sum(len(listener.seen) for listener in listeners),
        seconds=time.monotonic() - began,
        wrong=sum(listener.seen != told[listener.job] for listener in listeners),
        connections=sum(listener.connections for listener in listeners),
        cpu_s=sum(process.cpu_times()[:2]) - cpu,
        megabytes=process.memory_info().rss / 1e6,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("listeners", 500), ("jobs", 50), ("cuts", 10), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4_096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    table = Table(
        "round", "events heard", "seconds", "connections", "listeners that missed or doubled one", "CPU s", "MB"
    )
    with scene() as here:
        here.start_workers(-(-options.jobs // CAPACITY), CAPACITY)
        api = Api(here)
        rounds = [asyncio.run(play(here, api, options)) for _ in range(options.rounds)]
        asyncio.run(api.stop())
    for number, each in enumerate(rounds, 1):
        wrong = f"{each.wrong} of {options.listeners}"
        table.add_row(
            str(number),
            str(each.events),
            f"{each.seconds:.1f}",
            str(each.connections),
            wrong,
            f"{each.cpu_s:.1f}",
            f"{each.megabytes:.0f}",
        )
    Console().print(table)
    return int(any(each.wrong for each in rounds))


if __name__ == "__main__":
    sys.exit(main())
