from dataclasses import dataclass

import torch

from app.contract.settings import Settings


@dataclass(frozen=True)
class Placement:
    """Where a worker's models live and in which precision they compute."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def choose(cls, settings: Settings) -> "Placement":
        """Takes what the settings name; `auto` is the GPU in float16 where there is one, else the CPU in float32.

        bfloat16 is the faster on a CPU that has it, but its pictures are not the stock pipeline's in float32: up to
        24/255 a pixel apart (benchmarks/RESULTS.md). So it has to be asked for.
        """
        name = settings.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        device = torch.device(name)
        if settings.dtype != "auto":
            return cls(device, getattr(torch, settings.dtype))
        return cls(device, torch.float32 if device.type == "cpu" else torch.float16)
