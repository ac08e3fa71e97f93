import threading
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from app.contract.catalogue import Model
from tests.worker.engine import tiny_pipelines
from worker.pipelines.default_dtype import kept_to_this_thread
from worker.pipelines.loading import load


class Watch(threading.Thread):
    """Notes the precision in which another thread makes its tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()
        self.is_over = False

    def run(self) -> None:
        while not self.is_over:
            self.seen |= {torch.empty(0).dtype, torch.tensor(0.5).dtype, torch.get_default_dtype()}


def tensors(pipeline: Any) -> dict[str, Tensor]:
    modules = {name: part for name, part in pipeline.components.items() if isinstance(part, nn.Module)}
    return {
        f"{name}.{key}": value
        for name, module in modules.items()
        for key, value in [*module.named_parameters(), *module.named_buffers()]
    }


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_is_loaded_as_the_library_loads_it_and_nobody_else_notices(
    tiny_model: Model, dtype: torch.dtype
) -> None:
    stock = DiffusionPipeline.from_pretrained(tiny_model.source, dtype=dtype)
    watch = Watch()
    watch.start()

    ours = load(tiny_model, dtype).own

    watch.is_over = True
    watch.join()
    assert watch.seen == {torch.float32}
    assert torch.get_default_dtype() is torch.float32
    expected = tensors(stock)
    assert {name: tensor.dtype for name, tensor in tensors(ours).items()} == {
        name: tensor.dtype for name, tensor in expected.items()
    }
    assert all(tensor.equal(expected[name]) for name, tensor in tensors(ours).items())


def test_what_the_thread_builds_is_in_the_precision_that_it_set() -> None:
    with kept_to_this_thread():
        torch.set_default_dtype(torch.float16)
        module = tiny_pipelines.unet(cross_attention_dim=16)
        numbers = [torch.tensor(0.5), torch.full((2,), 1.5), torch.arange(0.0, 2.0), torch.tensor(1), torch.arange(3)]

    assert {parameter.dtype for parameter in module.parameters()} == {torch.float16}
    assert [number.dtype for number in numbers] == [torch.float16] * 3 + [torch.int64] * 2
