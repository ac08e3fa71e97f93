import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline

from app.contract.catalogue import Model
from app.contract.errors import ModelUnloadable
from worker.pipelines.default_dtype import kept_to_this_thread


def load(model: Model, dtype: torch.dtype) -> dict[str, DiffusionPipeline]:
    """Reads the model's stock pipeline from its folder or hub id to the host, once under each of its schedulers.

    The pipelines share the weights. Only safetensors are read, never code or pickles. Raises ModelUnloadable.
    """
    _quieten()
    for name in model.schedulers:
        if not hasattr(diffusers, name):
            raise ModelUnloadable(f"The model {model.name} names a scheduler that diffusers has not: {name}.")
    try:
        with kept_to_this_thread():
            pipeline = DiffusionPipeline.from_pretrained(
                model.source, revision=model.revision, dtype=dtype, use_safetensors=True
            )
    except Exception as error:  # besides OSError and ValueError, a folder at fault raises what its libraries choose
        raise ModelUnloadable(f"The model {model.name} cannot be loaded from {model.source}: {error}") from error
    pipelines = {name: _with_scheduler(pipeline, name, dtype) for name in model.schedulers}
    for each in pipelines.values():
        each.set_progress_bar_config(disable=True)
    return pipelines


def _with_scheduler(pipeline: DiffusionPipeline, name: str, dtype: torch.dtype) -> DiffusionPipeline:
    scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config)
    return type(pipeline).from_pipe(pipeline, scheduler=scheduler, dtype=dtype)


def _quieten() -> None:
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()  # as a warning, diffusers logs the end of a prompt that is too long
        library.utils.logging.disable_progress_bar()
