from collections.abc import Hashable, Iterator, Sequence
from enum import Enum
from typing import Any

import torch
from torch import Tensor


class Kind(Enum):
    """What becomes of one argument when calls are stacked."""

    ROWS = "concatenated along dimension 0"
    SCALAR = "expanded to one value a row, then concatenated"
    SHARED = "equal in all calls: the first one's is used"


class CannotSplit(TypeError):
    """Raised when a result is not made of tensors with one row for each row that went in."""


def flatten(tree: Any, leaves: list[Any]) -> Hashable:
    """Appends the leaves of nested tuples, lists and dicts, and returns the structure they hung in."""
    if isinstance(tree, dict):
        return (type(tree), *((name, flatten(branch, leaves)) for name, branch in tree.items()))
    if isinstance(tree, (tuple, list)):
        return (type(tree), *(flatten(branch, leaves) for branch in tree))
    leaves.append(tree)
    return None


def rebuild(structure: Any, leaves: Iterator[Any]) -> Any:
    """Hangs leaves back into a structure that `flatten` returned."""
    if structure is None:
        return next(leaves)
    kind, *branches = structure
    if issubclass(kind, dict):
        items = {name: rebuild(branch, leaves) for name, branch in branches}
        return items if kind is dict else kind(**items)  # the output dataclasses of diffusers and transformers
    items_of_sequence = [rebuild(branch, leaves) for branch in branches]
    return kind(*items_of_sequence) if hasattr(kind, "_fields") else kind(items_of_sequence)


def stack(columns: Sequence[Sequence[Any]], kinds: Sequence[Kind], rows: Sequence[int]) -> list[Any]:
    """Joins the leaves of several calls into the leaves of one; `columns` has one list of leaves for each call."""
    device = next(leaf.device for leaf, kind in zip(columns[0], kinds, strict=True) if kind is Kind.ROWS)
    return [_join(leaves, kind, rows, device) for leaves, kind in zip(zip(*columns, strict=True), kinds, strict=True)]


def _join(leaves: Sequence[Any], kind: Kind, rows: Sequence[int], device: torch.device) -> Any:
    if kind is Kind.SHARED:
        return leaves[0]
    if kind is Kind.SCALAR:
        # A module moves a 0-dim tensor to its own device, but not a vector.
        leaves = [leaf.to(device).expand(count) for leaf, count in zip(leaves, rows, strict=True)]
    return torch.cat(list(leaves))  # cat promotes: int64 and float32 timesteps become float32


def split(result: Any, rows: Sequence[int]) -> list[Any]:
    """Gives each call its rows of a stacked call's result, as copies, so that no run keeps another's alive."""
    leaves: list[Any] = []
    structure = flatten(result, leaves)
    columns = [_part(leaf, rows) for leaf in leaves]
    return [rebuild(structure, iter(parts)) for parts in zip(*columns, strict=True)]


def _part(leaf: Any, rows: Sequence[int]) -> Sequence[Any]:
    if leaf is None:
        return [None] * len(rows)
    if not isinstance(leaf, Tensor) or leaf.ndim == 0 or leaf.shape[0] != sum(rows):
        raise CannotSplit(f"its result holds {describe(leaf)}, which has no row for each of the {sum(rows)} rows")
    return torch.split_with_sizes_copy(leaf, list(rows))  # type: ignore[func-returns-value, return-value]


def describe(leaf: Any) -> str:
    """Names a value by its type, and a tensor by its shape, without showing what it holds."""
    return f"a tensor of shape {tuple(leaf.shape)}" if isinstance(leaf, Tensor) else f"a {type(leaf).__name__}"
