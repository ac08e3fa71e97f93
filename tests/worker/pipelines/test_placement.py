import pytest
import torch

from app.contract.settings import Settings
from worker.pipelines.placement import Placement


@pytest.mark.parametrize(("device", "dtype"), [("cpu", torch.float32), ("cuda", torch.float16)])
def test_a_gpu_computes_in_float16_and_a_cpu_in_float32(device: str, dtype: torch.dtype) -> None:
    assert Placement.choose(Settings(device=device)) == Placement(torch.device(device), dtype)


def test_the_settings_have_the_last_word() -> None:
    assert Placement.choose(Settings(device="cpu", dtype="bfloat16")).dtype == torch.bfloat16
