import pytest
import torch
from diffusers import StableDiffusionPipeline

from worker.training.diversity import diversity, spread


def test_the_spread_is_the_distance_between_two_pictures() -> None:
    black = -torch.ones(1, 3, 4, 4)

    assert spread(torch.cat([black, black, black])) == 0
    assert spread(torch.cat([black, -black])) == pytest.approx(2)
    assert spread(torch.cat([black, black, -black])) == pytest.approx(4 / 3)


def test_the_world_s_drawings_of_a_prompt_differ(untaught_pipeline: StableDiffusionPipeline) -> None:
    made, drawn = diversity(untaught_pipeline, "cat", steps=1, guidance=4.0, seeds=4)

    assert made > 0
    assert drawn > 0.1
