import logging
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from obstore.exceptions import BaseError as StorageError
from torch import Tensor

from app.contract import names
from app.contract.events import EventType
from app.contract.job import Development
from app.contract.storage import Storage
from worker import inputs, outputs, recipe
from worker.decoding import Decoder
from worker.departure import Departure, departing
from worker.dials.jobs import JobDials
from worker.engine import Engine
from worker.failures import translated
from worker.pipelines.arguments import arguments
from worker.pipelines.preview_watch import PreviewWatch
from worker.pipelines.warm_models import WarmModels
from worker.pipelines.warming import WarmModel
from worker.queue import Claim, WorkerBroken

STUCK_AFTER_S = 30.0  # past a run's deadline; a step that is under way may take its time
PRIORITIES = {"high": 1, "normal": 0, "low": -1}
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workbench:
    """All that a job needs to be developed."""

    engine: Engine
    models: WarmModels
    storage: Storage
    decoder: Decoder = field(default_factory=Decoder)
    dials: JobDials = field(default_factory=JobDials)
    previews: Executor = field(default_factory=lambda: ThreadPoolExecutor(4, "previews"))


def develop(claim: Claim, workbench: Workbench) -> dict[str, Any]:
    """One job's whole life in a worker: read, submit, wait, store; what it returns becomes the job's result.

    Raises GenerationFailed, and WorkerBroken if the engine is dead or stuck.
    """
    generation = claim.generation
    with translated(), workbench.dials.timing(claim):
        given = inputs.read(generation, claim.job_id, workbench.storage, workbench.decoder)
        images, warnings = _developed(claim, given, workbench)
        stored = outputs.store(images, generation, _folder(claim), workbench.storage)
        claim.stages.end("save")
    timings = {f"{stage}_s": seconds for stage, seconds in claim.stages.seconds.items()}
    warnings += recipe.warnings(generation)
    return Development(images=stored, warnings=warnings, timings=timings).model_dump(mode="json")


def discard(claim: Claim, storage: Storage) -> None:
    """Deletes what was stored of a run that nobody will see, and of an erased job everything."""
    try:
        storage.erase(claim.job_id if claim.is_erased else _folder(claim))
    except (StorageError, OSError) as error:  # when its time is over it is forgotten like all the rest
        logger.warning("The pictures of job %s could not be deleted: %s", claim.job_id, error)


def _folder(claim: Claim) -> str:
    return f"{claim.job_id}/{claim.execution_id}"  # another run of the job stores elsewhere


def _developed(claim: Claim, given: inputs.Inputs, workbench: Workbench) -> tuple[Tensor, list[str]]:
    """Returns the pictures on the host, and what the caller should know; the model is in use no longer than this."""
    generation = claim.generation
    with workbench.models.use(generation.model) as model, _watching(claim, workbench, model) as watch:

        def on_step(step: int, total: int, latents: Tensor) -> None:
            claim.stages.step()
            claim.report(step, total)
            if watch:
                watch.on_step(step, total, latents)

        claim.stages.end("load")
        adapters = model.loras.wear(generation.loras)
        pipeline = model.pipelines.of(generation)
        asked = arguments(pipeline, generation, given)
        run = workbench.engine.submit(
            pipeline,
            **asked,
            on_step=on_step,
            deadline=claim.timeout_s,
            adapters=adapters,
            priority=PRIORITIES[generation.priority],
            seed=generation.seed,  # for what draws without the generator that it is given
            memory=model.run_bytes(generation),
        )
        departure = departing(run, lambda output: output.images)
        claim.when_lost(run.cancel)
        warnings = model.reader.warnings(generation)
        images = _wait(departure, claim.timeout_s).arrive()
        claim.stages.end_run()
        return images, warnings


def _watching(claim: Claim, workbench: Workbench, model: WarmModel) -> AbstractContextManager[PreviewWatch | None]:
    generation = claim.generation
    if not (generation.previews and model.previewer):
        return nullcontext()
    size = (generation.width, generation.height)
    show = partial(_show, claim, workbench.storage)
    return PreviewWatch(model.previewer, size, generation.previews, show, workbench.previews)


def _show(claim: Claim, storage: Storage, step: int, total_steps: int, preview: bytes) -> None:
    """Stores a preview and tells of it; of a job that is not this worker's any more it leaves nothing behind."""
    key = names.preview_key(claim.job_id, step)
    storage.put(key, preview, "image/webp")
    if not claim.tell(EventType.PREVIEW, step=step, total_steps=total_steps):
        storage.delete([key])


def _wait(departure: "Future[Departure]", timeout_s: float | None) -> Departure:
    try:
        return departure.result(None if timeout_s is None else timeout_s + STUCK_AFTER_S)
    except TimeoutError:
        if departure.done():
            raise  # the pipeline's own
        raise WorkerBroken("The engine is stuck.") from None
