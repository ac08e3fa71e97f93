"""The workers and the API that `benchmarks.queue` compares: `python -m benchmarks.queue_rivals WHAT ADDRESS [JOBS]`."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from rq import Queue, SimpleWorker
from starlette.concurrency import run_in_threadpool

import app.main
from app.contract import names
from app.contract.generation import Generation
from app.contract.job import JobRecord
from app.contract.job_store import JobStore
from app.contract.settings import Settings
from app.contract.stored_job import read_record
from app.listener import address_of, listen
from app.server import serve
from worker.queue import Claim, QueueWorker
from worker.queue.functions import FUNCTIONS

CAPACITY = 16
NOTHING = "benchmarks.queue_rivals.nothing"
MINI = names.queue_name("mini")


def nothing(_: Any) -> dict[str, Any]:
    """A job that does nothing."""
    return {"images": []}


def seconds_of_rq(redis: Redis, jobs: int) -> float:
    worker = SimpleWorker([MINI], connection=redis, serializer="json")
    return _seconds(lambda: worker.work(burst=True, max_jobs=jobs, logging_level="WARNING"))


def seconds_of_ours(redis: Redis, jobs: int) -> float:
    done = 0

    def develop(claim: Claim) -> dict[str, Any]:
        nonlocal done
        done += 1
        if done == jobs:
            worker.request_stop()
        return nothing(claim)

    worker = QueueWorker(["mini"], connection=redis, develop=develop, capacity=CAPACITY)
    return _seconds(worker.work)


def serve_with_enqueue(redis: Redis) -> None:
    """Our API with one difference: its jobs are admitted by `queue.enqueue`, in the thread pool."""
    queue = Queue(MINI, connection=redis, serializer="json")

    class EnqueueStore(JobStore):
        async def admit(self, generation: Generation, *_: Any, **_options: Any) -> JobRecord:
            return await run_in_threadpool(self._enqueue, generation)

        def _enqueue(self, generation: Generation) -> JobRecord:
            arguments = {"description": "generate", "job_timeout": 600, "result_ttl": 3_600, "failure_ttl": 3_600}
            job = queue.enqueue(NOTHING, generation.model_dump(mode="json"), **arguments)
            return read_record(job, tenant=names.OPEN_TENANT)

    def enqueue_store(redis: Any, settings: Settings) -> JobStore:
        return EnqueueStore(redis, max_queued=1, retention_s=settings.retention_s, job_timeout_s=1)

    app.main.job_store = enqueue_store  # type: ignore[attr-defined]
    with listen("127.0.0.1", 0) as listener:
        print(f"listening on {address_of(listener)}", flush=True)
        serve(Settings(), listener)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    FUNCTIONS[NOTHING] = FUNCTIONS[names.JOB_FUNCTION]
    names.JOB_FUNCTION = NOTHING
    what, address, *rest = sys.argv[1:]
    connection = Redis.from_url(address)
    if what == "api":
        serve_with_enqueue(connection)
    else:
        print({"rq": seconds_of_rq, "ours": seconds_of_ours}[what](connection, int(rest[0])))
