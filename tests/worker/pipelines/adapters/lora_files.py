"""LoRA files with random weights, in the formats in which people share them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

Choice = Callable[[str, nn.Module], bool]
ALPHA = 3.0


def everything(_name: str, _layer: nn.Module) -> bool:
    return True


def attention(name: str, _layer: nn.Module) -> bool:
    return "to_" in name or name.endswith("_proj")


def diffusers_file(file: Path, pipeline: Any, parts: list[str], seed: int, choice: Choice = attention) -> Path:
    tensors = {}
    for part in parts:
        for name, down, up in pairs(getattr(pipeline, part), seed, choice):
            tensors[f"{part}.{name}.lora_A.weight"] = down
            tensors[f"{part}.{name}.lora_B.weight"] = up
    save_file(tensors, file)
    return file


def kohya_file(file: Path, pipeline: Any, parts: dict[str, str], seed: int, choice: Choice = everything) -> Path:
    """`parts` gives the modules' prefixes in Kohya's words; the alpha is not the rank."""
    tensors = {}
    for part, prefix in parts.items():
        for name, down, up in pairs(getattr(pipeline, part), seed, choice):
            path = f"{prefix}_{name.replace('.', '_')}"
            tensors[f"{path}.lora_down.weight"] = down
            tensors[f"{path}.lora_up.weight"] = up
            tensors[f"{path}.alpha"] = torch.tensor(ALPHA)
    save_file(tensors, file)
    return file


def pairs(module: nn.Module, seed: int, choice: Choice) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yields a layer's name and its weights down and up, of ranks from 2 to 4."""
    generator = torch.Generator().manual_seed(seed)
    for number, (name, layer) in enumerate(module.named_modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and choice(name, layer):
            rank = 2 + number % 3
            out, into, *kernel = layer.weight.shape
            down = torch.randn(rank, into, *kernel, generator=generator) / layer.weight[0].numel() ** 0.5
            yield name, down, torch.randn(out, rank, *[1 for _ in kernel], generator=generator) / 4
