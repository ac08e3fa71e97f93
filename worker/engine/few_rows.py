"""Linear layers over few vectors: a CPU's matrix product rounds up to three otherwise than more.

It is what tells a stacked pass from lone ones there: denoisers look at the timestep by such layers, and a sampler's
first step, or a network that is near chaos, makes a difference of 1e-3 out of one of 1e-7.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from worker.engine.call import Adapters, wearing, worn

FEW = 3  # measured with MKL 2024.2: from four on, how many there are makes no difference


def multiply_by_call(module: nn.Module) -> list[RemovableHandle]:
    """Has a module's linear layers treat each call of a stacked pass as alone, where a call has few vectors."""
    layers = (layer for layer in module.modules() if type(layer) is nn.Linear)
    exact = [layer for layer in layers if layer.weight.device.type == "cpu" and layer.weight.dtype is torch.float32]
    return [layer.register_forward_hook(_multiply_by_call, with_kwargs=True) for layer in exact]


def _multiply_by_call(
    layer: Any, inputs: tuple[Tensor, ...], named: dict[str, Tensor], _output: Tensor
) -> Tensor | None:
    rows = [count for _, count in worn()]
    vectors = inputs[0] if inputs else named["input"]
    if len(rows) < 2 or vectors.ndim < 2 or vectors.shape[0] != sum(rows):
        return None
    if min(rows) * vectors[0].numel() > FEW * vectors.shape[-1]:
        return None
    return torch.cat([_multiply(layer, *each) for each in zip(vectors.split(rows), worn(), strict=True)])


def _multiply(layer: Any, vectors: Tensor, whose: tuple[Adapters | None, int]) -> Tensor:
    with wearing([whose]):  # what the layer adds for its wearers is rounded as alone, too
        product: Tensor = layer.forward(vectors)
        return product
