import subprocess
import threading
from collections.abc import Callable
from typing import Any

from tests.worker.queue.eventually import PATIENCE_S
from worker.queue import Claim, QueueWorker

StartWorker = Callable[..., QueueWorker]
StartProcess = Callable[..., "subprocess.Popen[bytes]"]


class Studio:
    """What the workers of a test develop with: jobs stay in it until the test lets them go."""

    def __init__(self) -> None:
        self.seen: list[Claim] = []
        self.stopped: list[str] = []
        self.door = threading.Event()

    def develop(self, claim: Claim) -> dict[str, Any]:
        self.seen.append(claim)
        claim.when_lost(lambda: self.stopped.append(claim.job_id))
        assert self.door.wait(PATIENCE_S)
        return {"images": []}
