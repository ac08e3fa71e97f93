import hashlib
import weakref
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class _Known:
    tensor: weakref.ref[Tensor]
    version: int
    digest: bytes


_known: dict[int, _Known] = {}


def digest(tensor: Tensor) -> bytes:
    """Returns a hash of a tensor's values, remembered by identity and version.

    The first look costs a device sync; the same tensor, unchanged, comes back at every step and costs none.
    """
    known = _known.get(id(tensor))
    if known and known.tensor() is tensor and not tensor.is_inference() and known.version == tensor._version:
        return known.digest
    values = tensor.detach().resolve_conj().resolve_neg().contiguous().view(-1).view(torch.uint8).cpu().numpy()
    computed = hashlib.blake2b(values.tobytes(), digest_size=16).digest()
    if not tensor.is_inference():  # such tensors count no versions
        key = id(tensor)
        forget = weakref.ref(tensor, lambda _: _known.pop(key, None))
        _known[key] = _Known(forget, tensor._version, computed)
    return computed
