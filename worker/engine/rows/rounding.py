"""A CPU's libraries take another kernel for few rows than for many, and each rounds in its own way.

Nothing else tells a stacked pass from lone ones there. It is a difference of 1e-7, but a sampler's first step, or a
network that is near chaos, makes 1e-2 out of it.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from worker.engine.rows.wearing import worn

VECTOR = 32  # numbers; with AVX-512, two vectors at a time
SHARE = 32768  # numbers that torch gives a thread at least
FEW = 11  # vectors; with MKL 2024.2 and two threads: from twelve on, how many there are makes no difference


def is_compiled(module: nn.Module) -> bool:
    """Whether any part of a module is, by `torch.compile` or `compile`.

    Compiled code rounds otherwise than a stock pipeline's in any case, and is compiled again for every function mode
    that it meets: such modules meet none.
    """
    return any(
        part._compiled_call_impl or hasattr(part.forward, "_torchdynamo_orig_callable") for part in module.modules()
    )


class Layouts(TorchFunctionMode):
    """Notes in which memory layout a lone row comes to each layer: additions turn a row's, but not several rows'."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.memory_format] = []

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, args: Sequence[Any] = (), named: dict[str, Any] | None = None
    ) -> Any:
        if function in KERNELS and _has_rows(args):
            self.seen.append(_layout(args[0]))
        return function(*args, **(named or {}))


class AsAlone(TorchFunctionMode):
    """Has what computes with weights treat each call of a stacked pass as alone, where that rounds otherwise.

    `layouts` are what a lone row's were.
    """

    def __init__(self, layouts: Sequence[torch.memory_format] = ()) -> None:
        super().__init__()
        self._layouts = iter(layouts)

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, args: Sequence[Any] = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        kernel = KERNELS.get(function)
        if kernel is None or not _has_rows(args):
            return function(*args, **named)
        return _compute(function, kernel, next(self._layouts, _layout(args[0])), *args, **named)


def _has_rows(args: Sequence[Any]) -> bool:
    return bool(args) and isinstance(args[0], Tensor) and args[0].ndim > 0


def _compute(
    function: Callable[..., Tensor],
    kernel: Callable[..., Any],
    layout: torch.memory_format,
    rows: Tensor,
    *others: Any,
    **named: Any,
) -> Tensor:
    calls = [count for _, count in worn()]
    times, rest = divmod(len(rows), sum(calls))  # several for each, as where frames are folded in
    if rest or not times:
        return function(rows, *others, **named)
    together = kernel(rows, *others, **named)
    alone = {count: kernel(_laid_out(rows[: count * times], layout), *others, **named) for count in set(calls)}
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
            parts.append(_convolve_row_by_row(part.contiguous(), *others, **named))
        else:
            parts += [function(_laid_out(each, layout), *others, **named) for each in part.split(sizes)]
    return torch.cat(parts).contiguous(memory_format=_layout(rows))


def _layout(rows: Tensor) -> torch.memory_format:
    """Returns the layout that kernels go by; `is_contiguous` overlooks a lone row's stride, and they do not."""
    if rows.ndim != 4 or rows.is_contiguous() or rows.stride(1) != 1 or rows.stride(0) < rows[0].numel():
        return torch.contiguous_format
    return torch.channels_last


def _laid_out(rows: Tensor, layout: torch.memory_format) -> Tensor:
    return rows.contiguous(memory_format=layout) if len(rows) == 1 and rows.ndim == 4 else rows


def _linear(rows: Tensor, *_: Any, **__: Any) -> Any:
    """A lone row may be multiplied as it lies in memory, transposed, where several are copied into order first."""
    if rows.ndim == 1:
        return None
    return min(rows.numel() // rows.shape[-1], FEW + 1), len(rows) == 1 and not rows.is_contiguous()


def _product(rows: Tensor, factor: Tensor, *_: Any, **__: Any) -> Any:
    return _linear(rows) if factor.ndim == 2 else None  # others are multiplied matrix by matrix


def _activation(rows: Tensor, *_: Any, **__: Any) -> int:
    """What a thread has left over of whole vectors of numbers is computed one by one, and rounded otherwise."""
    threads = torch.get_num_threads()
    shares = threads, min(threads, -(-rows.numel() // SHARE))  # gelu's, and the others'
    is_whole = rows[0].numel() % VECTOR == 0 and all(-(-rows.numel() // share) % VECTOR == 0 for share in shares)
    return 0 if is_whole else len(rows)


def _normalisation(rows: Tensor, *_: Any, **__: Any) -> torch.memory_format:
    return _layout(rows)


def _convolution(
    rows: Tensor, weight: Tensor, _: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    size = weight.shape[2:]
    sizes = _many(stride, size), [0] * len(size), _many(dilation, size), False, [0] * len(size)
    backend = torch._C._select_conv_backend(rows, weight, None, *sizes, groups, None)
    return backend, _layout(rows), isinstance(padding, str)


def _transposed_convolution(rows: Tensor, *_: Any, **__: Any) -> int:
    return len(rows)  # how it is divided among threads depends on that


def _convolve_row_by_row(
    rows: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, *_: Any
) -> Tensor:
    """Convolves as torch does a lone small picture, each of these."""
    size = weight.shape[2:]
    return torch.ops.aten._slow_conv2d_forward(rows, weight, size, bias, _many(stride, size), _many(padding, size))


def _many(value: Any, size: Sequence[int]) -> Any:
    return [value] * len(size) if isinstance(value, int) else value


ROW_BY_ROW = torch._C._ConvBackend.Slow2d, torch.contiguous_format, False  # type: ignore[attr-defined]
TRANSPOSED = functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d
KERNELS: Mapping[Any, Callable[..., Any]] = {
    functional.linear: _linear,
    **dict.fromkeys((torch.matmul, Tensor.matmul, Tensor.__matmul__), _product),
    functional.group_norm: _normalisation,
    **dict.fromkeys((functional.elu, functional.gelu, functional.mish, functional.selu), _activation),
    **dict.fromkeys((functional.silu, functional.softplus, torch.sigmoid, Tensor.sigmoid), _activation),
    **dict.fromkeys((functional.conv1d, functional.conv2d, functional.conv3d), _convolution),
    **dict.fromkeys(TRANSPOSED, _transposed_convolution),
}
