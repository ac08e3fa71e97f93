import hashlib
from collections.abc import MutableMapping

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_known: MutableMapping[Tensor, tuple[int, bytes]] = WeakTensorKeyDictionary()  # version and digest


def digest(tensor: Tensor) -> bytes:
    """Returns a hash of a tensor's values, remembered by identity and version.

    The first look costs a device sync; the same tensor, unchanged, comes back at every step and costs none.
    """
    version = None if tensor.is_inference() else tensor._version  # such tensors count no versions
    known = _known.get(tensor)
    if known and known[0] == version:
        return known[1]
    values = tensor.detach().resolve_conj().resolve_neg().contiguous().view(-1).view(torch.uint8).cpu().numpy()
    computed = hashlib.blake2b(values.tobytes(), digest_size=16).digest()
    if version is not None:
        _known[tensor] = version, computed
    return computed
