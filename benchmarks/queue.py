"""The queue's speed beside rq's own way, on one machine in one run.

    python -m benchmarks.queue [--repeats 5] [--jobs 1000]

All ways take turns, so that what else the machine does falls on all; what is told is the median of the repeats.
"""

import argparse
import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from app.contract import names
from benchmarks.queue_rivals import NOTHING
from tests.chaos.apis import Api
from tests.chaos.history import read_starts
from tests.chaos.scene import Scene
from tests.chaos.verdict import percentile

LEASE_S = 4.0
CONNECTIONS = 16
BODY = b'{"prompt":"a cat","seed":7,"num_inference_steps":1,"metadata":{"step_s":"0"}}'
REQUEST = b"POST /v1/jobs HTTP/1.1\r\nHost: darkroom\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def jobs_per_second(what: str, jobs: int) -> float:
    """How many jobs that do nothing one worker process drains; with the worker's own start and end, not Python's."""
    with scene() as here:
        asyncio.run(here.admit(jobs))
        command = [sys.executable, "-m", "benchmarks.queue_rivals", what, here.address, str(jobs)]
        return jobs / float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def admissions_per_second(what: str, jobs: int) -> float:
    """How many jobs one API process admits over HTTP, from some connections that are kept open."""
    with scene() as here, serving(here, what) as url:
        asyncio.run(post(url, CONNECTIONS))  # both have started now
        began = time.perf_counter()
        asyncio.run(post(url, jobs))
        return jobs / (time.perf_counter() - began)


def milliseconds_to_running(jobs: int) -> list[float]:
    """From the moment before a POST to the moment when an idle worker has the job in hand, one job at a time."""
    with scene() as here, serving(here, "ours") as url, httpx.Client(trust_env=False) as client:
        here.start_workers(1)
        waits = []
        for number in range(jobs + 1):
            time.sleep(here.chance.uniform(0.1, 0.3))
            began = time.monotonic()
            client.post(f"{url}/v1/jobs", content=BODY, headers={"content-type": "application/json"}).raise_for_status()
            while len(starts := read_starts(here.folder)) <= number:
                time.sleep(0.01)
            waits.append((starts[-1].moment - began) * 1_000)
    return waits[1:]  # the first one waits for the worker's start


async def post(url: str, jobs: int) -> None:
    host, port = httpx.URL(url).host, httpx.URL(url).port
    remaining = iter(range(jobs))

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for _ in remaining:
            writer.write(REQUEST % (len(BODY), BODY))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(length_of(head))
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


def length_of(head: bytes) -> int:
    """Raises ValueError if the job was not admitted."""
    if not head.startswith(b"HTTP/1.1 202") or not (length := LENGTH.search(head)):
        raise ValueError(f"The API answers {head!r}")
    return int(length[1])


@contextmanager
def scene() -> Iterator[Scene]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        here = Scene(Path(folder), 0, LEASE_S, lambda _ended, _jobs: None)
        try:
            yield here
        finally:
            here.close()


@contextmanager
def serving(here: Scene, what: str) -> Iterator[str]:
    if what == "ours":
        api = Api(here)
        yield api.url
        asyncio.run(api.stop())
    else:
        command = [sys.executable, "-m", "benchmarks.queue_rivals", "api", here.address]
        with here.run(command, stdout=subprocess.PIPE) as process:
            yield next(iter(process.stdout or ())).decode().split()[-1]
            process.terminate()


def compare(measure: Callable[[str], float], repeats: int) -> tuple[float, float, float]:
    """Medians of rq's and ours, and of the ratios."""
    pairs = [(measure("rq"), measure("ours")) for _ in range(repeats)]
    rq, ours = (statistics.median(each) for each in zip(*pairs, strict=True))
    return rq, ours, statistics.median(mine / theirs for theirs, mine in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1_000)
    options = parser.parse_args()
    names.JOB_FUNCTION = NOTHING  # what rq's worker runs, ours runs
    table = Table("", "rq", "ours", "times")
    for title, measure in (
        ("jobs that do nothing, a second: SimpleWorker, our worker", jobs_per_second),
        ("jobs admitted over HTTP, a second: enqueue in the thread pool, ADMIT", admissions_per_second),
    ):
        rq, ours, ratio = compare(partial(measure, jobs=options.jobs), options.repeats)
        table.add_row(title, f"{rq:.0f}", f"{ours:.0f}", f"{ratio:.1f}")
    waits = milliseconds_to_running(options.jobs // 10)
    p50, p95 = (percentile(waits, share) for share in (0.5, 0.95))
    table.add_row("milliseconds from POST to running, idle: p50, p95", "", f"{p50:.1f}, {p95:.1f}", "")
    Console().print(table)


if __name__ == "__main__":
    main()
