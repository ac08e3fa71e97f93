"""A CPU's libraries take another kernel for few rows than for many, and each rounds in its own way.

Nothing else tells a stacked pass from lone ones there. It is a difference of 1e-7, but a sampler's first step, or a
network that is near chaos, makes 1e-2 out of it.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from worker.engine.wearing import worn

FEW = 11  # vectors; with MKL 2024.2 and two threads: from twelve on, how many there are makes no difference


class AsAlone(TorchFunctionMode):
    """Has linear layers and convolutions treat each call of a stacked pass as alone, where that rounds otherwise."""

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, args: Sequence[Any] = (), named: dict[str, Any] | None = None
    ) -> Any:
        kernel = KERNELS.get(function)
        if kernel is None:
            return function(*args, **(named or {}))
        others = dict(zip(ARGUMENTS, args, strict=False)) | (named or {})
        return _compute(function, kernel, others.pop("input"), others)


def _compute(function: Callable[..., Tensor], kernel: "Kernel", rows: Tensor, others: dict[str, Any]) -> Tensor:
    calls = [count for _, count in worn()]
    times, rest = divmod(len(rows), sum(calls))  # several for each, as where frames are folded in
    together = None if rest else kernel(rows, others)
    alone = {count: together if rest else kernel(rows[: count * times], others) for count in set(calls)}
    if all(each == together for each in alone.values()):
        return function(rows, **others)
    parts: list[Tensor] = []
    for own, counts in groupby(calls, alone.__getitem__):
        sizes = [count * times for count in counts]
        start = sum(map(len, parts))
        part = rows[start : start + sum(sizes)]
        if own == together:
            parts.append(function(part, **others))
        elif function is functional.conv2d and own == SLOW and not isinstance(others.get("padding"), str):
            parts.append(_convolve_slowly(part, **others))
        else:
            parts += [function(each, **others) for each in part.split(sizes)]
    return torch.cat(parts)


def _linear(rows: Tensor, _others: Any) -> int:
    return min(rows.numel() // rows.shape[-1], FEW + 1)


def _convolution(rows: Tensor, others: dict[str, Any]) -> Any:
    sizes = [0] * (rows.ndim - 2)
    stride, dilation = (_many(others.get(name, 1), sizes) for name in ("stride", "dilation"))
    groups = others.get("groups", 1)
    return torch._C._select_conv_backend(
        rows, others["weight"], None, stride, sizes, dilation, False, sizes, groups, None
    )


def _convolve_slowly(
    rows: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, **_: Any
) -> Tensor:
    """Computes a row after the other, as torch does with a lone one."""
    size = weight.shape[2:]
    return torch.ops.aten._slow_conv2d_forward(rows, weight, size, bias, _many(stride, size), _many(padding, size))


def _many(value: Any, sizes: Sequence[int]) -> Any:
    return [value] * len(sizes) if isinstance(value, int) else value


ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")  # a linear layer has the first three
SLOW = torch._C._ConvBackend.Slow2d
Kernel: TypeAlias = Callable[[Tensor, dict[str, Any]], Any]
KERNELS: Mapping[Any, Kernel] = {
    functional.linear: _linear,
    functional.conv1d: _convolution,
    functional.conv2d: _convolution,
    functional.conv3d: _convolution,
}
