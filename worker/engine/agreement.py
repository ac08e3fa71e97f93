from typing import Any

import torch
from torch import Tensor

from worker.engine.rows.stacking import flatten

# By how much of its size a vector of a stacked answer may differ from the lone one: kernels vary with the row count.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 5e-2}
# A GPU convolves float32 in TensorFloat-32. A CPU does not: of 150 pipelines' modules none differed by more than 5e-6.
ON_CPU = TOLERANCE | {torch.float32: 3e-5}


def agree(one: Any, other: Any, times: float = 1) -> bool:
    """Decides whether two results are the same within so many times the tolerance."""
    ones: list[Any] = []
    others: list[Any] = []
    is_same = flatten(one, ones, opens=True) == flatten(other, others, opens=True)
    return is_same and all(_is_close(*pair, times) for pair in zip(ones, others, strict=True))


def _is_close(one: Any, other: Any, times: float) -> bool:
    if not isinstance(one, Tensor):
        return type(one) is type(other) and bool(one == other)
    if one.dtype != other.dtype or not torch.equal(one.isfinite(), other.isfinite()):
        return False
    if one.dtype not in TOLERANCE:
        return torch.equal(one, other)
    tolerance = times * (ON_CPU if one.device.type == "cpu" else TOLERANCE)[one.dtype]
    difference, size = (one - other).nan_to_num(0, 0, 0).abs(), other.nan_to_num(0, 0, 0).abs()
    # Vector by vector: a mean over all would hide one wrong token, and a single number is at the mercy of rounding.
    return bool((difference.mean(-1) <= tolerance * (size.mean(-1) + size.mean())).all())
