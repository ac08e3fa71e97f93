import gc

import pytest
import torch

from worker.engine.rows import digest as module
from worker.engine.rows.digest import digest


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_equal_tensors_have_equal_digests_and_others_do_not(dtype: torch.dtype) -> None:
    one = torch.tensor([[0, 1], [1, 1]], dtype=dtype)

    assert digest(one) == digest(one.clone())
    assert digest(one) != digest(one.T.contiguous() ^ 1 if dtype is torch.bool else one + 1)


def test_a_digest_is_remembered_as_long_as_the_tensor_lives_unchanged() -> None:
    count = len(module._known)
    tensor = torch.zeros(3)
    before = digest(tensor)
    remembered = module._known[tensor]

    digest(tensor)
    is_remembered = module._known[tensor] is remembered
    tensor[0] = 1
    changed = digest(tensor)
    del tensor
    gc.collect()

    assert is_remembered
    assert changed != before
    assert len(module._known) == count
