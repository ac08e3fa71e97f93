"""How cheap it is to be polled, beside a FastAPI handler that does nothing, on one machine in one run.

    python -m benchmarks.polling [--repeats 5] [--requests 4000]

Both are one process behind the same server, and they take turns. What counts is how many answers a process gives for a
second of its own time: that is what it can do on one core, whatever else the machine does.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import httpx
import psutil
import uvicorn
import uvloop
from fastapi import FastAPI, Response
from rich.console import Console
from rich.table import Table

from app.contract.keys import KeyStore, Scope
from app.contract.limits import Limits
from app.listener import address_of, listen
from app.redis_client import connect
from benchmarks.queue import scene
from tests.chaos.apis import LISTENING, Api
from tests.chaos.scene import Process, Scene

CONNECTIONS = 64
KEYS_SEEN_S = 2.5  # an API that is open looks for the first key every two seconds
BODY = {"prompt": "a cat", "seed": 7}
Headers = dict[str, str]


@dataclass(frozen=True)
class Poll:
    """A request that is sent again and again, and how its answer begins."""

    title: str
    process: psutil.Process
    url: httpx.URL
    status: int
    headers: Headers

    @property
    def request(self) -> bytes:
        lines = [f"GET {self.url.path} HTTP/1.1", f"Host: {self.url.host}", *map(": ".join, self.headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True)
class Rate:
    """Answers a second, and answers for a second of the process's own time."""

    wall: float
    processor: float


def measure(poll: Poll, requests: int) -> Rate:
    began, used = time.perf_counter(), _processor_s(poll.process)
    uvloop.run(ask(poll, requests))
    return Rate(requests / (time.perf_counter() - began), requests / (_processor_s(poll.process) - used))


class Client(asyncio.Protocol):
    """Polls over one connection as fast as it is answered; it costs little, so that the API is what is measured."""

    def __init__(self, poll: Poll, remaining: Iterator[int]) -> None:
        self._request, self._expected = poll.request, f"HTTP/1.1 {poll.status} ".encode()
        self._remaining = remaining
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        if data.startswith(self._expected):
            self._ask()
        else:
            self.ended.set_exception(ValueError(f"The API answers {data!r}"))

    def _ask(self) -> None:
        if next(self._remaining, None) is None:
            self._transport.close()
            self.ended.set_result(None)
        else:
            self._transport.write(self._request)


async def ask(poll: Poll, requests: int) -> None:
    """Raises ValueError at another answer than the expected."""
    remaining, loop = iter(range(requests)), asyncio.get_running_loop()
    host, port = poll.url.host, poll.url.port or 80
    clients = [
        (await loop.create_connection(lambda: Client(poll, remaining), host, port))[1] for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(client.ended for client in clients))


def polls(here: Scene, api: Api) -> Iterator[Poll]:
    """Jobs in several states; who takes the next one has measured the last."""
    process = psutil.Process(api.process.pid)
    with httpx.Client(base_url=api.url, trust_env=False) as client:

        def poll(title: str, path: str, headers: Headers) -> Poll:
            etag = client.get(path, headers=headers).headers["etag"]
            return Poll(title, process, httpx.URL(api.url + path), 304, {"If-None-Match": etag, **headers})

        paths = [client.post("/v1/jobs", json=BODY).headers["location"] for _ in range(3)]
        client.post(f"{paths[0]}/cancel").raise_for_status()
        yield poll("a job that has ended", paths[0], {})
        yield poll("a job that waits, with its place", paths[2], {})
        key = {"Authorization": f"Bearer {asyncio.run(make_key(here))}"}
        time.sleep(KEYS_SEEN_S)
        path = client.post("/v1/jobs", json=BODY, headers=key).headers["location"]
        yield poll("the same, with an API key", path, key)


async def make_key(here: Scene) -> str:
    async with connect(here.address) as redis:
        _, key = await KeyStore(redis).create("polling", frozenset(Scope), Limits())
    return key


@contextmanager
def serving_nothing(here: Scene) -> Iterator[Poll]:
    with here.run([sys.executable, "-m", "benchmarks.polling", "--serve-nothing"], stdout=subprocess.PIPE) as process:
        yield Poll("a handler that does nothing", psutil.Process(process.pid), httpx.URL(_address(process)), 200, {})
        process.terminate()


def serve_nothing() -> None:
    app = FastAPI()

    @app.get("/jobs/{job_id}")
    async def nothing(job_id: str) -> Response:  # noqa: ARG001 - what such a path has
        return Response()

    with listen("127.0.0.1", 0) as listener:
        print(f"listening on {address_of(listener)}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])


def _address(process: Process) -> str:
    for line in process.stdout or ():
        if found := LISTENING.search(line):
            return f"{found[1].decode()}/jobs/1"
    raise RuntimeError("The empty process has ended at its start.")


def _processor_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--serve-nothing", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_nothing:
        return serve_nothing()
    table = Table("polled", "304s a second", "for a second of the processor", "of the empty handler's")
    with scene() as here, serving_nothing(here) as empty:
        api = Api(here)
        for poll in polls(here, api):
            pairs = [
                (measure(empty, options.requests), measure(poll, options.requests)) for _ in range(options.repeats)
            ]
            wall, processor, base = (
                statistics.median(each)
                for each in zip(*((ours.wall, ours.processor, theirs.processor) for theirs, ours in pairs), strict=True)
            )
            share = statistics.median(ours.processor / theirs.processor for theirs, ours in pairs)
            table.add_row(poll.title, f"{wall:.0f}", f"{processor:.0f} of {base:.0f}", f"{share:.0%}")
        asyncio.run(api.stop())
    Console().print(table)
    return None


if __name__ == "__main__":
    main()
