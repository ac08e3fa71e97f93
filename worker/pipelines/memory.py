"""How much of the device's memory there is for models, and how much a model takes."""

from collections.abc import Iterable
from itertools import chain

import torch
from diffusers import DiffusionPipeline
from torch import nn

from app.contract.settings import Settings

AUTO_SHARE = 0.9  # of what is free when the worker starts; the rest is for the allocator's gaps


def budget(settings: Settings, device: torch.device) -> float:
    """The bytes that warm models and their runs may take together; `auto` leaves a CPU's unlimited."""
    if settings.memory != "auto":
        return settings.memory
    return AUTO_SHARE * torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else float("inf")


def modules_of(pipeline: DiffusionPipeline) -> list[nn.Module]:
    return [part for part in pipeline.components.values() if isinstance(part, nn.Module)]


def weight_bytes(modules: Iterable[nn.Module]) -> int:
    """The bytes of all parameters and buffers, each counted once."""
    tensors = {id(tensor): tensor for each in modules for tensor in chain(each.parameters(), each.buffers())}
    return sum(tensor.nbytes for tensor in tensors.values())


class Peak:
    """The most memory that was allocated on a device since this was made, beyond what it held then."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self._before = self._read()

    def bytes(self) -> int:
        """Zero on a CPU, whose memory torch does not count."""
        return self._read() - self._before

    def _read(self) -> int:
        return torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else 0
