"""A worker process for the tests: `python worker_process.py ADDRESS OPTIONS`.

A job's metadata says how it behaves: `step_s`, and `deadly` or `breaking` if it kills or breaks its worker after the
first step.
"""

import json
import os
import signal
import sys
import time
from typing import Any

from worker.queue import Claim, QueueWorker, WorkerBroken
from worker.redis_client import connect


def main(url: str, options: str) -> None:
    redis = connect(url)

    def develop(claim: Claim) -> dict[str, Any]:
        generation = claim.generation
        redis.rpush(f"ran:{claim.job_id}", os.getpid())
        for step in range(generation.num_inference_steps):
            if claim.is_lost:
                raise InterruptedError
            if step and "deadly" in generation.metadata:
                os.kill(os.getpid(), signal.SIGKILL)
            if step and "breaking" in generation.metadata:
                raise WorkerBroken("The engine is closed.")
            time.sleep(float(generation.metadata.get("step_s", 0)))
            claim.report(step + 1, generation.num_inference_steps)
        return {"images": []}

    QueueWorker(["mini"], connection=connect(url), develop=develop, **json.loads(options)).work()


if __name__ == "__main__":
    main(*sys.argv[1:])
