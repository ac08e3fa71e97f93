import pytest
import torch
from torch import nn

from app.contract.settings import Settings
from worker.pipelines.memory import Peak, budget, weight_bytes

CPU = torch.device("cpu")


def test_weights_that_are_shared_are_counted_once() -> None:
    linear = nn.Linear(10, 10)
    norm = nn.BatchNorm1d(10)  # has two buffers of 10 and a count in 8 bytes

    assert weight_bytes([linear, nn.Sequential(linear, norm)]) == 4 * (100 + 10) + 4 * 40 + 8
    assert weight_bytes([linear.half()]) == 2 * 110


@pytest.mark.parametrize(("memory", "expected"), [("auto", float("inf")), ("20GiB", 20 * 2**30), (1_000, 1_000)])
def test_a_cpus_memory_is_unlimited_unless_a_budget_is_set(memory: str | int, expected: float) -> None:
    assert budget(Settings.model_validate({"memory": memory}), CPU) == expected


def test_what_a_cpu_allocates_is_not_counted() -> None:
    peak = Peak(CPU)
    torch.ones(1_000)

    assert peak.bytes() == 0
