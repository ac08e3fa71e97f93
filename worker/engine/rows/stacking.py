from collections.abc import Hashable, Iterator, Sequence
from enum import Enum
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor


class Kind(Enum):
    """What becomes of one argument when calls are stacked."""

    ROWS = "concatenated along dimension 0"
    LISTED = "lists of one tensor a row: joined"
    SCALAR = "expanded to one value a row, then concatenated"
    SHARED = "equal in all calls: the first one's is used"

    @classmethod
    def of(cls, leaf: Any, rows: int) -> "Kind":
        if not isinstance(leaf, Tensor):
            return cls.LISTED if isinstance(leaf, list) else cls.SHARED
        if leaf.ndim == 0:
            return cls.SCALAR
        return cls.ROWS if len(leaf) == rows else cls.SHARED


PLAIN = (type(None), bool, int, float, str, torch.dtype, torch.device)


class CannotStack(Exception):
    """Says why calls are not to be stacked."""


def flatten(tree: Any, leaves: list[Any], listed: int = 0, opens: bool = False) -> Hashable:
    """Appends the leaves of nested tuples, lists and dicts, and returns the structure they hung in.

    A list of `listed` tensors is a leaf itself, if `listed` is given. `opens` takes objects apart that are made of
    tensors and plain values, such as the distribution that an encoder returns.
    """
    if listed and is_list_of_tensors(tree) and len(tree) == listed:
        leaves.append(tree)
        return None
    if isinstance(tree, dict):
        return (type(tree), *((name, flatten(branch, leaves, listed, opens)) for name, branch in tree.items()))
    if isinstance(tree, (tuple, list)):
        return (type(tree), *(flatten(branch, leaves, listed, opens) for branch in tree))
    if opens and _is_made_of_tensors(tree):
        leaves.extend(vars(tree).values())
        return (type(tree), *vars(tree))
    leaves.append(tree)
    return None


def _is_made_of_tensors(tree: Any) -> bool:
    parts = [] if isinstance(tree, (Tensor, torch.nn.Module)) else getattr(tree, "__dict__", {}).values()
    return any(isinstance(part, Tensor) for part in parts) and all(isinstance(part, (Tensor, *PLAIN)) for part in parts)


def listed_rows(tree: Any) -> int:
    """Returns how many rows there are if the first tensors stand in a list, one for each row, and 0 if they do not."""
    if is_list_of_tensors(tree):
        return len(tree)
    if isinstance(tree, (dict, tuple, list)):
        branches = tree.values() if isinstance(tree, dict) else tree
        return next((listed_rows(branch) for branch in branches if has_tensors(branch)), 0)
    return 0


def has_tensors(tree: Any) -> bool:
    if isinstance(tree, (dict, tuple, list)):
        return any(map(has_tensors, tree.values() if isinstance(tree, dict) else tree))
    return isinstance(tree, Tensor)


def is_list_of_tensors(tree: Any) -> bool:
    return type(tree) is list and bool(tree) and all(isinstance(item, Tensor) for item in tree)


def tensors_of(leaf: Any) -> Sequence[Tensor]:
    """Returns the tensors that a leaf of arguments is, or lists."""
    return [leaf] if isinstance(leaf, Tensor) else leaf if is_list_of_tensors(leaf) else []


def is_floating(leaf: Any) -> bool:
    return any(tensor.dtype.is_floating_point or tensor.dtype.is_complex for tensor in tensors_of(leaf))


def rebuild(structure: Any, leaves: Iterator[Any]) -> Any:
    """Hangs leaves back into a structure that `flatten` returned."""
    if structure is None:
        return next(leaves)
    kind, *branches = structure
    if issubclass(kind, dict):
        items = {name: rebuild(branch, leaves) for name, branch in branches}
        return items if kind is dict else kind(**items)  # the output dataclasses of diffusers and transformers
    if not issubclass(kind, (tuple, list)):
        vars(made := kind.__new__(kind)).update((name, next(leaves)) for name in branches)
        return made
    items_of_sequence = [rebuild(branch, leaves) for branch in branches]
    return kind(*items_of_sequence) if hasattr(kind, "_fields") else kind(items_of_sequence)


def stack(columns: Sequence[Sequence[Any]], kinds: Sequence[Kind], rows: Sequence[int]) -> list[Any]:
    """Joins the leaves of several calls into the leaves of one; `columns` has one list of leaves for each call."""
    by_row = zip(columns[0], kinds, strict=True)
    device = next(tensors_of(leaf)[0].device for leaf, kind in by_row if kind in (Kind.ROWS, Kind.LISTED))
    return [_join(leaves, kind, rows, device) for leaves, kind in zip(zip(*columns, strict=True), kinds, strict=True)]


def _join(leaves: Sequence[Any], kind: Kind, rows: Sequence[int], device: torch.device) -> Any:
    if kind is Kind.SHARED:
        return leaves[0]
    if kind is Kind.LISTED:
        return [*chain.from_iterable(leaves)]
    if kind is Kind.SCALAR:
        # A module moves a 0-dim tensor to its own device, but not a vector.
        leaves = [leaf.to(device, non_blocking=True).expand(count) for leaf, count in zip(leaves, rows, strict=True)]
    return torch.cat(list(leaves))  # cat promotes: int64 and float32 timesteps become float32


def split(result: Any, rows: Sequence[int], are_listed: bool = False) -> list[Any]:
    """Gives each call its rows of a stacked call's result, as copies, so that no run keeps another's alive."""
    leaves: list[Any] = []
    structure = flatten(result, leaves, sum(rows) if are_listed else 0, opens=True)
    columns = [_part(leaf, rows) for leaf in leaves]
    return [rebuild(structure, iter(parts)) for parts in zip(*columns, strict=True)]


def _part(leaf: Any, rows: Sequence[int]) -> Sequence[Any]:
    if isinstance(leaf, PLAIN):
        return [leaf] * len(rows)
    if isinstance(leaf, list):
        tensors = iter(leaf)
        return [[tensor.clone() for tensor in islice(tensors, count)] for count in rows]
    if not isinstance(leaf, Tensor) or leaf.ndim == 0 or leaf.shape[0] != sum(rows):
        raise CannotStack(f"its result holds {describe(leaf)}, which has no row for each of the {sum(rows)} rows")
    return [part.clone() for part in leaf.split(list(rows))]  # in their memory layout, which kernels go by


def describe(leaf: Any) -> str:
    """Names a value by its type, and a tensor by its shape, without showing what it holds."""
    return f"a tensor of shape {tuple(leaf.shape)}" if isinstance(leaf, Tensor) else f"a {type(leaf).__name__}"
