from typing import Any

import pytest
import torch

from worker.engine import SharedModuleChanged
from worker.engine.isolation.pipeline_copy import own_copy


class Combined:
    """Holds a pipeline in a pipeline, as the two-stage ones do, with one scheduler in both."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.inner_scheduler = inner.scheduler
        self.notes: list[str] = []

    components: Any = None

    def __call__(self) -> None:
        raise NotImplementedError


def test_a_copy_has_the_same_modules_and_its_own_scheduler_and_state(stable_diffusion: Any) -> None:
    own = own_copy(stable_diffusion)
    own._guidance_scale = 3.0
    own.scheduler.set_timesteps(7)

    assert type(own) is type(stable_diffusion)
    assert own.unet is stable_diffusion.unet
    assert own.tokenizer is stable_diffusion.tokenizer
    assert own.config == stable_diffusion.config
    assert own.device == stable_diffusion.device
    assert set(own.components) == set(stable_diffusion.components)
    assert getattr(stable_diffusion, "_guidance_scale", None) != 3.0
    assert len(stable_diffusion.scheduler.timesteps) != 7


def test_the_pipelines_inside_a_pipeline_are_copied_too_and_share_what_they_shared(stable_diffusion: Any) -> None:
    combined = Combined(stable_diffusion)

    own = own_copy(combined)
    own.notes.append("mine")

    assert own.inner is not stable_diffusion
    assert own.inner.unet is stable_diffusion.unet
    assert own.inner.scheduler is own.inner_scheduler is not stable_diffusion.scheduler
    assert combined.notes == []


def test_a_copy_refuses_to_load_weights_and_the_original_does_not(stable_diffusion: Any) -> None:
    own = own_copy(stable_diffusion)

    with pytest.raises(SharedModuleChanged, match="load_lora_weights was called inside a run"):
        own.load_lora_weights("style")
    assert "load_lora_weights" not in vars(stable_diffusion)


def test_a_scheduler_that_has_kept_an_answer_with_its_graph_is_copied_without_the_graph(stable_diffusion: Any) -> None:
    kept = torch.ones(1, requires_grad=True) * 2
    stable_diffusion.scheduler.ets = [kept]

    own = own_copy(stable_diffusion)

    assert own.scheduler.ets == [torch.tensor([2.0])]
    assert own.scheduler.ets[0].grad_fn is None
    assert stable_diffusion.scheduler.ets[0] is kept
