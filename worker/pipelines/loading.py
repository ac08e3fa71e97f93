import diffusers
import transformers
from diffusers import DiffusionPipeline

from app.contract.catalogue import Model
from app.contract.errors import ModelUnloadable
from worker.pipelines.placement import Placement


def load(model: Model, placement: Placement) -> dict[str, DiffusionPipeline]:
    """Loads the model's stock pipeline from its folder or hub id, once under each of its schedulers.

    The pipelines share the weights. Only safetensors are read, never code or pickles. Raises ModelUnloadable.
    """
    _quieten()
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            model.source, revision=model.revision, dtype=placement.dtype, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ModelUnloadable(f"The model {model.name} cannot be loaded from {model.source}: {error}") from error
    pipeline.to(placement.device)
    for name in model.schedulers:
        if not hasattr(diffusers, name):
            raise ModelUnloadable(f"The model {model.name} names a scheduler that diffusers has not: {name}.")
    pipelines = {name: _with_scheduler(pipeline, name, placement) for name in model.schedulers}
    for each in pipelines.values():
        each.set_progress_bar_config(disable=True)
    return pipelines


def _with_scheduler(pipeline: DiffusionPipeline, name: str, placement: Placement) -> DiffusionPipeline:
    scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config)
    return type(pipeline).from_pipe(pipeline, scheduler=scheduler, dtype=placement.dtype)


def _quieten() -> None:
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()  # as a warning, diffusers logs the end of a prompt that is too long
        library.utils.logging.disable_progress_bar()
