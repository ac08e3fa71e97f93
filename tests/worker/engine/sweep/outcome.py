"""What a pipeline call ended with, as numbers, and how far two of these are from each other."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image

Numbers: TypeAlias = "np.ndarray[Any, Any]"
Outcome: TypeAlias = list[Numbers] | BaseException
NEVER = float("inf")


def outcome_of(call: Callable[[], Any]) -> Outcome:
    try:
        return list(_numbers(call()))
    except TimeoutError:
        raise
    except Exception as error:  # an option that the class has and that its tiny configuration cannot do
        return error


def far(one: Outcome, other: Outcome) -> float:
    """Returns the largest difference of two outcomes, which is infinite where there is nothing to compare."""
    if isinstance(one, BaseException) or isinstance(other, BaseException) or len(one) != len(other):
        return NEVER
    return max(map(_difference, one, other), default=NEVER)


def _difference(one: Numbers, other: Numbers) -> float:
    if one.shape != other.shape or not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return NEVER
    return float(np.nan_to_num(np.abs(one - other), nan=0).max(initial=0))


def _numbers(tree: Any) -> Iterator[Numbers]:
    """Yields all numbers of an output: of arrays, tensors and pictures, wherever they hang."""
    if isinstance(tree, Image.Image):
        yield np.asarray(tree) / 255
    elif isinstance(tree, (torch.Tensor, np.ndarray)):
        yield torch.as_tensor(tree).detach().double().numpy()
    else:
        branches = tree if isinstance(tree, (list, tuple)) else getattr(tree, "__dict__", tree)
        for branch in branches.values() if isinstance(branches, Mapping) else _listed(branches):
            yield from _numbers(branch)


def _listed(branches: Any) -> "list[Any] | tuple[Any, ...]":
    return branches if isinstance(branches, (list, tuple)) else ()
