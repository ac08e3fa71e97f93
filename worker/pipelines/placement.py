import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from app.contract.settings import Settings


@dataclass(frozen=True)
class Placement:
    """Where a worker's models live, in which precision they compute, and what compiles their blocks, if anything."""

    device: torch.device
    dtype: torch.dtype
    compiler: str | None = None

    @classmethod
    def choose(cls, settings: Settings) -> "Placement":
        """Takes what the settings name; `auto` is the GPU in float16 where there is one, else the CPU in float32.

        bfloat16 is the faster on a CPU that has it, but its pictures are not the stock pipeline's in float32: up to
        24/255 a pixel apart (benchmarks/RESULTS.md). So it has to be asked for.
        """
        name = settings.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        device, dtype = torch.device(name), settings.dtype
        if dtype == "auto":
            dtype = "float32" if device.type == "cpu" else "float16"
        return cls(device, getattr(torch, dtype), "inductor" if settings.compile else None)

    def place(self, modules: Iterable[Any]) -> None:
        """Moves modules to the device, in the memory format that it convolves fastest, and has their blocks compiled.

        With free dimensions: a batch has another number of rows at every step, and static ones would be compiled
        anew for each, until torch gives up at the eighth.
        """
        for module in modules:
            module.to(self.device)
            if self.device.type == "cuda" and _convolves_in_2d(module):
                module.to(memory_format=torch.channels_last)
            if self.compiler and getattr(module, "_repeated_blocks", None):
                module.compile_repeated_blocks(backend=self.compiler, dynamic=True)


def set_threads(settings: Settings) -> None:
    """Sets the number of CPU threads that torch computes with; before the first computation of any thread."""
    threads = settings.threads
    torch.set_num_threads(min(torch.get_num_threads(), _physical_cores()) if threads == "auto" else threads)


def _physical_cores() -> int:
    """The cores that this process may use: two threads of one core only get in each other's way."""
    if not hasattr(os, "sched_getaffinity"):  # only Linux has it
        return os.cpu_count() or 1
    siblings = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    lists = [Path(siblings.format(number)) for number in os.sched_getaffinity(0)]
    return len({path.read_text() if path.exists() else path for path in lists})


def _convolves_in_2d(module: nn.Module) -> bool:
    dimensions = {tensor.ndim for tensor in chain(module.parameters(), module.buffers())}
    return 4 in dimensions and 5 not in dimensions  # the format is refused by the 5-dimensional weights of a video's
