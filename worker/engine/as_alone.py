"""A CPU's libraries take another kernel for few rows than for many, and each rounds in its own way.

Nothing else tells a stacked pass from lone ones there. It is a difference of 1e-7, but a sampler's first step, or a
network that is near chaos, makes 1e-2 out of it.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from worker.engine.wearing import worn

FEW = 11  # vectors; with MKL 2024.2 and two threads: from twelve on, how many there are makes no difference


class AsAlone(TorchFunctionMode):
    """Has what computes with weights treat each call of a stacked pass as alone, where that rounds otherwise."""

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, args: Sequence[Any] = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        kernel = KERNELS.get(function)
        if kernel is None or not args:
            return function(*args, **named)
        return _compute(function, kernel, *args, **named)


def _compute(
    function: Callable[..., Tensor], kernel: Callable[..., Any], rows: Tensor, *others: Any, **named: Any
) -> Tensor:
    calls = [count for _, count in worn()]
    times, rest = divmod(len(rows), sum(calls))  # several for each, as where frames are folded in
    together = None if rest else kernel(rows, *others, **named)
    alone = {count: together if rest else kernel(rows[: count * times], *others, **named) for count in set(calls)}
    if all(each == together for each in alone.values()):
        return function(rows, *others, **named)
    parts: list[Tensor] = []
    for own, counts in groupby(calls, alone.__getitem__):
        sizes = [count * times for count in counts]
        start = sum(map(len, parts))
        part = rows[start : start + sum(sizes)]
        if own == together:
            parts.append(function(part, *others, **named))
        elif own == ROW_BY_ROW and function is functional.conv2d:
            parts.append(_convolve_row_by_row(part, *others, **named))
        else:
            parts += [function(each.contiguous(), *others, **named) for each in part.split(sizes)]
    are_channels_last = rows.ndim == 4 and not all(part.is_contiguous() for part in parts)
    return torch.cat(parts).contiguous(memory_format=LAYOUTS[are_channels_last])


def _linear(rows: Tensor, *_: Any, **__: Any) -> int:
    return min(rows.numel() // rows.shape[-1], FEW + 1)


def _normalisation(rows: Tensor, *_: Any, **__: Any) -> bool:
    """A lone row comes out of additions without the channels last that several keep."""
    return len(rows) > 1 and not rows.is_contiguous()


def _convolution(
    rows: Tensor, weight: Tensor, _: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    size = weight.shape[2:]
    sizes = _many(stride, size), [0] * len(size), _many(dilation, size), False, [0] * len(size)
    backend = torch._C._select_conv_backend(rows, weight, None, *sizes, groups, None)
    return backend, _normalisation(rows), isinstance(padding, str)


def _convolve_row_by_row(
    rows: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, *_: Any
) -> Tensor:
    """Convolves as torch does a lone small picture, each of these."""
    size = weight.shape[2:]
    return torch.ops.aten._slow_conv2d_forward(rows, weight, size, bias, _many(stride, size), _many(padding, size))


def _many(value: Any, size: Sequence[int]) -> Any:
    return [value] * len(size) if isinstance(value, int) else value


ROW_BY_ROW = torch._C._ConvBackend.Slow2d, False, False  # type: ignore[attr-defined]
LAYOUTS = (torch.contiguous_format, torch.channels_last)
KERNELS: Mapping[Any, Callable[..., Any]] = {
    functional.linear: _linear,
    functional.group_norm: _normalisation,
    functional.conv1d: _convolution,
    functional.conv2d: _convolution,
    functional.conv3d: _convolution,
}
