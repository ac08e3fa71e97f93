import copy
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn


def hollow_pipeline(pipeline: DiffusionPipeline) -> Any:
    """Returns a pipeline of the same structure whose weights take no memory, to be changed at will."""
    hollow = copy.copy(pipeline)
    for name, part in vars(pipeline).items():
        if isinstance(part, nn.Module):
            vars(hollow)[name] = hollow_module(part)  # not through setattr, which rewrites the configuration
    return hollow


def hollow_module(module: nn.Module) -> nn.Module:
    """Returns a module with the same submodules and settings; its parameters have shape and dtype, but no storage."""
    hollow = type(module).__new__(type(module))
    # What shadows a method, as a rerouted `forward` does, belongs to the original.
    own = {name: value for name, value in vars(module).items() if not (callable(value) and hasattr(type(module), name))}
    own |= {name: value.copy() for name, value in own.items() if name.endswith("_hooks")}
    own["_parameters"] = {
        name: None if parameter is None else nn.Parameter(_hollow(parameter), requires_grad=False)
        for name, parameter in module._parameters.items()
    }
    own["_buffers"] = {name: None if buffer is None else _hollow(buffer) for name, buffer in module._buffers.items()}
    own["_modules"] = {name: None if part is None else hollow_module(part) for name, part in module._modules.items()}
    vars(hollow).update(own)
    return hollow


def _hollow(tensor: Tensor) -> Tensor:
    return torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
