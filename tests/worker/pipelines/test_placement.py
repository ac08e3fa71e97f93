import os

import pytest
import torch
from torch import nn

from app.contract.settings import Settings
from worker.pipelines.placement import Placement, set_threads


@pytest.mark.parametrize(
    ("device", "dtype"), [("cpu", torch.float32), ("cpu:0", torch.float32), ("cuda", torch.float16)]
)
def test_a_gpu_computes_in_float16_and_a_cpu_in_float32(device: str, dtype: torch.dtype) -> None:
    assert Placement.choose(Settings(device=device)) == Placement(torch.device(device), dtype)


def test_the_settings_have_the_last_word() -> None:
    assert Placement.choose(Settings(device="cpu", dtype="bfloat16")).dtype == torch.bfloat16


def test_modules_are_moved_to_the_device() -> None:
    modules = [nn.Conv2d(3, 3, 3), nn.Conv3d(3, 3, 3), nn.Linear(3, 3)]

    Placement(torch.device("meta"), torch.float32).place(modules)

    assert {parameter.device.type for module in modules for parameter in module.parameters()} == {"meta"}


def test_threads_are_as_many_as_cores_or_as_asked_for() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1000)
        set_threads(Settings())
        automatic = torch.get_num_threads()
        set_threads(Settings(threads=3))

        assert 1 <= automatic <= len(os.sched_getaffinity(0))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
