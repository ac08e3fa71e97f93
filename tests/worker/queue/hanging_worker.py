"""A worker process whose engine hangs in its first forward pass: `python hanging_worker.py ADDRESS STALL_S`."""

import sys
import threading
from datetime import UTC, datetime
from typing import Any

from redis import Redis
from torch import Tensor

from app.contract.announcement import Announcement
from tests.worker.engine.small_pipelines import Rows, Walk, sample
from worker.engine import Engine
from worker.queue import Claim, QueueWorker
from worker.watchdog import require_progress

IDLE = Announcement(
    worker="darkroom-hanging",
    started_at=datetime.now(UTC),
    device="cpu",
    dtype="float32",
    capacity=4,
    running=0,
    models=["mini"],
    modules=[],
    never_stacked=[],
)


class Hanging(Rows):
    def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:  # noqa: ARG002 - as Rows
        threading.Event().wait()
        return sample


def main(url: str, stall_s: str) -> None:
    pipeline = Walk(Hanging())
    with Engine() as engine:
        engine.adopt(pipeline)

        def develop(_: Claim) -> dict[str, Any]:
            engine.submit(pipeline, sample=sample(0), steps=1).result()
            return {"images": []}

        def announce() -> Announcement:
            require_progress(engine, float(stall_s))
            return IDLE

        connection = Redis.from_url(url, socket_timeout=5)
        QueueWorker(["mini"], connection=connection, develop=develop, announce=announce, capacity=4, lease_s=0.6).work()


if __name__ == "__main__":
    main(*sys.argv[1:])
