"""A worker process with a stub engine, whose steps sleep: `python -m tests.chaos.worker_process OPTIONS`.

A job's metadata says how long a step takes (`step_s`) and whether it kills its worker after the first one (`deadly`).
What it does is told to the disk alone, so that it can be compared with what Redis says.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from redis import Redis

from app.contract.job import StoredImage
from app.contract.settings import Settings
from app.contract.storage import Storage
from tests.chaos.history import STARTS
from worker.queue import Claim, QueueWorker


def main(options: dict[str, Any]) -> None:
    folder = Path(options.pop("folder"))
    storage = Storage(Settings(state_dir=folder).storage_address)
    starts = os.open(folder / STARTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def develop(claim: Claim) -> dict[str, Any]:
        generation = claim.generation
        os.write(starts, f"{time.monotonic()} {os.getpid()} {claim.job_id} {claim.execution_id}\n".encode())
        for step in range(generation.num_inference_steps):
            if claim.is_lost:
                raise InterruptedError
            if step and "deadly" in generation.metadata:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(float(generation.metadata["step_s"]))
            claim.report(step + 1, generation.num_inference_steps)
        return {"images": [_store(storage, claim).model_dump()]}

    connection = Redis.from_url(options.pop("url"), socket_timeout=5)
    QueueWorker(["mini"], options.pop("name"), connection=connection, develop=develop, **options).work()


def _store(storage: Storage, claim: Claim) -> StoredImage:
    generation, content = claim.generation, claim.job_id.encode()
    key = f"{claim.job_id}/{claim.execution_id}/0.png"
    storage.put(key, content, "image/png")
    return StoredImage(
        key=key,
        content_type="image/png",
        width=generation.width,
        height=generation.height,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        seed=generation.seed,
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
