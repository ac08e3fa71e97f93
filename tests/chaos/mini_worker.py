"""A worker as it is, with the embedded model, that notes every step on disk: `... mini_worker NAME`."""

import os
import sys
import time
from typing import Any

import worker.main
from app.contract.settings import Settings
from tests.chaos.history import STEPS
from worker.queue import Claim
from worker.task import develop


def main(name: str) -> None:
    settings = Settings()
    steps = os.open(settings.state_dir / STEPS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def noting(claim: Claim, *rest: Any, **options: Any) -> dict[str, Any]:
        report = claim.report

        def note(step: int, total_steps: int) -> None:
            os.write(steps, f"{time.monotonic()} {claim.job_id}\n".encode())
            report(step, total_steps)

        claim.report = note  # type: ignore[method-assign]
        return develop(claim, *rest, **options)

    worker.main.develop = noting  # type: ignore[attr-defined]
    worker.main.main(settings, name)


if __name__ == "__main__":
    main(sys.argv[1])
