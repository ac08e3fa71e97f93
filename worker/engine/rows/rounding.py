"""A CPU's libraries take another kernel for few rows than for many, and each rounds in its own way.

Nothing else tells a stacked pass from lone ones there. It is a difference of 1e-7, but a sampler's first step, or a
network that is near chaos, makes 1e-2 out of it.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from worker.engine.rows.wearing import worn

VECTOR = 32  # numbers; with AVX-512, two vectors at a time
SHARE = 32768  # numbers that torch gives a thread at least
SHARED = 1024  # places, at least, that threads share out for a group norm
FEW = 11  # vectors; with MKL 2024.2 and two threads: from twelve on, how many there are makes no difference
REMEMBERED = 4096  # choices; a UNet makes about 60, for each number of rows


def is_compiled(module: nn.Module) -> bool:
    """Whether any part of a module is, by `torch.compile` or `compile`.

    Compiled code rounds otherwise than a stock pipeline's in any case, and is compiled again for every function mode
    that it meets: such modules meet none.
    """
    return any(
        part._compiled_call_impl or hasattr(part.forward, "_torchdynamo_orig_callable") for part in module.modules()
    )


class Layouts(TorchFunctionMode):
    """Notes in which memory layout a call's rows come to each layer: a lone row's are often others than several rows'.

    Attention over the places of one picture gives it strides by which kernels take it for channels first.
    """

    def __init__(self, noted: dict[Hashable, torch.memory_format]) -> None:
        super().__init__()
        self._noted = noted

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, args: Sequence[Any] = (), named: dict[str, Any] | None = None
    ) -> Any:
        if function in KERNELS and _has_rows(args):
            ((_, count),) = worn()
            if layer := _layer(count, function, *args, **(named or {})):
                self._noted[layer] = _layout(args[0])
        return function(*args, **(named or {}))


class AsAlone(TorchFunctionMode):
    """Has what computes with weights treat each call of a stacked pass as alone, where that rounds otherwise.

    `noted` is what Layouts has noted of such calls.
    """

    def __init__(self, noted: Mapping[Hashable, torch.memory_format] | None = None) -> None:
        super().__init__()
        self._noted = noted or {}

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, args: Sequence[Any] = (), named: dict[str, Any] | None = None
    ) -> Any:
        if function is functional.multi_head_attention_forward:
            return _attend(*args, **(named or {}))
        if function not in KERNELS or not _has_rows(args):
            return function(*args, **(named or {}))
        return self._compute(function, *args, **(named or {}))

    def _compute(self, function: Callable[..., Tensor], rows: Tensor, *others: Any, **named: Any) -> Tensor:
        calls = [count for _, count in worn()]
        times, rest = divmod(len(rows), sum(calls))  # several for each, as where frames are folded in
        if rest or not times:
            return function(rows, *others, **named)
        noted = self._noted if 1 in calls else {}  # several rows' layouts are the stack's, else
        layers = {count: _layer(count, function, rows, *others, **named) for count in {*calls}}
        layouts = {count: noted.get(layer, _layout(rows)) for count, layer in layers.items()}
        if len({*layouts.values()}) == 1:
            rows = _laid_out(rows, layouts[calls[0]])
        settings = tuple(map(Form.of, others)), tuple((name, Form.of(value)) for name, value in named.items())
        alone = _alone(function, frozenset(layouts.items()), times, torch.get_num_threads(), Form.of(rows), *settings)
        if not any(alone.values()):
            return function(rows, *others, **named)
        parts: list[Tensor] = []
        for kernel, counts in groupby(calls, alone.__getitem__):
            sizes = [count * times for count in counts]
            start = sum(map(len, parts))
            part = rows[start : start + sum(sizes)]
            if kernel is None:
                parts.append(function(part, *others, **named))
            elif kernel == ROW_BY_ROW and function is functional.conv2d:
                parts.append(_convolve_row_by_row(part.contiguous(), *others, **named))
            else:
                apart = (_laid_out(each, layouts[len(each) // times]) for each in part.split(sizes))
                parts += [function(each, *others, **named) for each in apart]
        return torch.cat(parts)


def _has_rows(args: Sequence[Any]) -> bool:
    return bool(args) and isinstance(args[0], Tensor) and args[0].ndim > 0


def _layer(count: int, function: Callable[..., Any], rows: Tensor, *others: Any, **named: Any) -> tuple[Any, ...]:
    """Returns what is the same when calls of so many rows come to a layer of pictures again, if it has weights."""
    if rows.ndim != 4:
        return ()
    weights = [id(other) for other in (*others, *named.values()) if type(other) is nn.Parameter]
    return (function, count == 1, rows.shape[1:], *weights) if weights else ()


class Form(NamedTuple):
    """All that a kernel is chosen by in a tensor."""

    shape: Sequence[int]
    stride: Sequence[int]
    dtype: torch.dtype

    @classmethod
    def of(cls, value: Any) -> Any:
        if isinstance(value, Tensor):
            return cls(value.shape, value.stride(), value.dtype)
        return tuple(value) if isinstance(value, list) else value


@lru_cache(REMEMBERED)
def _alone(
    function: Any,
    layouts: frozenset[tuple[int, torch.memory_format]],
    times: int,
    threads: int,  # noqa: ARG001 (kernels go by it)
    form: Form,
    others: Sequence[Any],
    named: Sequence[tuple[str, Any]],
) -> Mapping[int, Any]:
    """Returns by the count of a call's rows which kernel is chosen for it alone, or None if all rows have the same."""

    def kernel(rows: Tensor) -> Any:
        return KERNELS[function](rows, *map(_empty, others), **{name: _empty(value) for name, value in named})

    together = kernel(_empty(form))
    kernels = {}
    for count, layout in layouts:
        own = kernel(_laid_out(_empty(form._replace(shape=(count * times, *form.shape[1:]))), layout))
        kernels[count] = None if own == together else own
    return kernels


def _empty(value: Any) -> Any:
    return torch.empty_strided(value.shape, value.stride, dtype=value.dtype) if isinstance(value, Form) else value


def _layout(rows: Tensor) -> torch.memory_format:
    """Returns the layout that kernels go by; `is_contiguous` overlooks a lone row's stride, and they do not."""
    if rows.ndim != 4 or rows.is_contiguous() or rows.stride(1) != 1 or rows.stride(0) < rows[0].numel():
        return torch.contiguous_format
    return torch.channels_last


def _laid_out(rows: Tensor, layout: torch.memory_format) -> Tensor:
    return rows.contiguous(memory_format=layout) if rows.ndim == 4 and layout is not _layout(rows) else rows


def _linear(rows: Tensor, *_: Any, **__: Any) -> Any:
    """A lone row may be multiplied as it lies in memory, transposed, where several are copied into order first."""
    if rows.ndim == 1:
        return None
    return min(rows.numel() // rows.shape[-1], FEW + 1), len(rows) == 1 and not rows.is_contiguous()


def _product(rows: Tensor, factor: Tensor, *_: Any, **__: Any) -> Any:
    return _linear(rows) if factor.ndim == 2 else None  # others are multiplied matrix by matrix


def _activation(rows: Tensor, *_: Any, **__: Any) -> Any:
    """What a thread has left over of whole vectors of numbers is computed one by one, and rounded otherwise."""
    threads = torch.get_num_threads()
    shares = threads, min(threads, -(-rows.numel() // SHARE))  # gelu's, and the others'
    is_whole = rows[0].numel() % VECTOR == 0 and all(-(-rows.numel() // share) % VECTOR == 0 for share in shares)
    return rows.is_contiguous(), 0 if is_whole else len(rows)


def _normalisation(rows: Tensor, *_: Any, **__: Any) -> Any:
    """Threads share out the places of all rows where channels come last, and add up what each has found."""
    layout = _layout(rows)
    are_shared = layout is torch.channels_last and rows[0, 0].numel() >= SHARED and torch.get_num_threads() > 1
    return layout, len(rows) if are_shared else 0


def _convolution(
    rows: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    size = weight.shape[2:]
    dilations = _many(dilation, size)
    enough = [distance * side for distance, side in zip(dilations, size, strict=True)]  # padding chooses nothing
    settings = _many(stride, size), enough, dilations, False, [0] * len(size), groups, None
    backend = torch._C._select_conv_backend(rows, weight, bias, *settings)
    return backend, _layout(rows), isinstance(padding, str)


def _transposed_convolution(rows: Tensor, *_: Any, **__: Any) -> int:
    return len(rows)  # how it is divided among threads depends on that


def _convolve_row_by_row(
    rows: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, *_: Any
) -> Tensor:
    """Convolves as torch does a lone small picture, each of these."""
    size = weight.shape[2:]
    return torch.ops.aten._slow_conv2d_forward(rows, weight, size, bias, _many(stride, size), _many(padding, size))


def _attend(query: Tensor, key: Tensor, value: Tensor, *others: Any, **named: Any) -> tuple[Tensor, Tensor | None]:
    """Attends for each call apart: this holds products, unseen by modes, and has its rows in dimension 1."""
    calls = [count for _, count in worn()] if query.shape[1] == sum(count for _, count in worn()) else query.shape[1]
    apart = zip(*(tensor.split(calls, dim=1) for tensor in (query, key, value)), strict=True)
    outputs, weights = zip(
        *(functional.multi_head_attention_forward(*tensors, *others, **named) for tensors in apart), strict=True
    )
    return torch.cat(outputs, dim=1), None if weights[0] is None else torch.cat(weights)


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
