from typing import Any

import diffusers
import torch
from diffusers import AutoModel, DiffusionPipeline

from app.contract.adapters import ControlNetSource
from app.contract.catalogue import Model
from app.contract.errors import ModelUnloadable
from worker.pipelines.building import building
from worker.pipelines.default_dtype import kept_to_this_thread
from worker.pipelines.task_pipelines import TaskPipelines


def load(model: Model, dtype: torch.dtype) -> TaskPipelines:
    """Reads the model's stock pipeline and its ControlNets from their folders or hub ids to the host.

    The pipelines share the weights. Only safetensors are read, never code or pickles. Raises ModelUnloadable.
    """
    for name in model.schedulers:
        if not hasattr(diffusers, name):
            raise ModelUnloadable(f"The model {model.name} names a scheduler that diffusers has not: {name}.")
    with building, kept_to_this_thread():
        pipeline = _read(DiffusionPipeline, f"The model {model.name}", model, dtype)
        controlnets = {
            name: _read(AutoModel, f"The ControlNet {name} of {model.name}", source, dtype)
            for name, source in model.controlnets.items()
        }
    by_scheduler = {name: _with_scheduler(pipeline, name, dtype) for name in model.schedulers}
    return TaskPipelines(model, by_scheduler, controlnets)


def _read(kind: Any, what: str, source: Model | ControlNetSource, dtype: torch.dtype) -> Any:
    try:
        return kind.from_pretrained(source.source, revision=source.revision, dtype=dtype, use_safetensors=True)
    except Exception as error:  # besides OSError and ValueError, a folder at fault raises what its libraries choose
        raise ModelUnloadable(f"{what} cannot be loaded from {source.source}: {error}") from error


def _with_scheduler(pipeline: DiffusionPipeline, name: str, dtype: torch.dtype) -> DiffusionPipeline:
    scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config)
    return type(pipeline).from_pipe(pipeline, scheduler=scheduler, dtype=dtype)
