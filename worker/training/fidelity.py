"""How much of a picture survives the autoencoder."""

from collections.abc import Sequence

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from worker.training.judge import render
from worker.training.scenes import Scene


def psnr(images: Tensor, originals: Tensor, where: Tensor | float = 1.0) -> Tensor:
    """Decibels (B,) between pictures from -1 to 1, over the pixels where `where` (B, 1, H, W) is 1."""
    weight = torch.as_tensor(where).expand_as(images)
    error = ((images - originals).square() * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    return 10 * torch.log10(4 / error)


def fidelity(autoencoder: AutoencoderKL, scenes: Sequence[Scene]) -> float:
    """Mean PSNR in decibels of the scenes' drawings."""
    parts = [scenes[i : i + 32] for i in range(0, len(scenes), 32)]
    ratios = [psnr(render(part, autoencoder, softly=True), render(part, autoencoder, softly=False)) for part in parts]
    return torch.cat(ratios).mean().item()
