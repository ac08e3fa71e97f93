import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from app.contract.job import Development
from app.contract.storage import Storage
from worker import outputs
from worker.engine import Engine
from worker.failures import translated
from worker.pipelines.arguments import arguments, warnings
from worker.pipelines.warm_models import WarmModels
from worker.queue import Claim, WorkerBroken

STUCK_AFTER_S = 30.0  # past a run's deadline; a step that is under way may take its time


@dataclass(frozen=True)
class Workbench:
    """All that a job needs to be developed."""

    engine: Engine
    models: WarmModels
    storage: Storage


def develop(claim: Claim, workbench: Workbench) -> dict[str, Any]:
    """One job's whole life in a worker: read, submit, wait, store; what it returns becomes the job's result.

    Raises GenerationFailed, and WorkerBroken if the engine is dead or stuck.
    """
    started = time.monotonic()
    generation = claim.generation
    pipeline = workbench.models.find(generation.model, generation.scheduler)
    with translated():
        run = workbench.engine.submit(
            pipeline,
            **arguments(pipeline, generation),
            on_step=lambda step, total, _latents: claim.report(step, total),
            deadline=claim.timeout_s,
        )
        claim.when_lost(run.cancel)
        images = _result(run, claim.timeout_s).images
        developed = time.monotonic()
        stored = outputs.store(images, generation, f"{claim.job_id}/{claim.execution_id}", workbench.storage)
    timings = {"develop_s": developed - started, "store_s": time.monotonic() - developed}
    development = Development(images=stored, warnings=warnings(pipeline, generation), timings=timings)
    return development.model_dump(mode="json")


def _result(run: "Future[Any]", timeout_s: float | None) -> Any:
    try:
        return run.result(None if timeout_s is None else timeout_s + STUCK_AFTER_S)
    except TimeoutError:
        if run.done():
            raise  # the pipeline's own
        raise WorkerBroken("The engine is stuck.") from None
