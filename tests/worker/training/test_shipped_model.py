import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)

from worker.training.world import BACKGROUNDS, COLOURS, KINDS, WEAR

MODEL = Path(__file__).parents[3] / "worker/models/mini"
SCHEDULERS = [
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    UniPCMultistepScheduler,
]
REDDISH, BLUISH = 0, 2


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(MODEL)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_the_folder_is_small_and_holds_no_pickles() -> None:
    files = [path for path in MODEL.rglob("*") if path.is_file()]

    weights = [path for path in files if path.stat().st_size > 200_000]

    assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt", ".md"}
    assert {path.suffix for path in weights} == {".safetensors"}
    assert sum(path.stat().st_size for path in files) <= 40e6


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_colour_that_was_asked_for_comes_with_every_scheduler(
    pipeline: StableDiffusionPipeline, scheduler: type[DDIMScheduler]
) -> None:
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]

    images = pipeline(
        ["a red circle on a white background", "a blue circle on a white background"],
        num_inference_steps=12,
        guidance_scale=3.0,
        generator=generators,
        output_type="np",
    ).images
    red, blue = (np.median(image[48:80, 48:80], axis=(0, 1)) for image in images)

    assert red.argmax() == REDDISH
    assert blue.argmax() == BLUISH


def test_the_same_seed_gives_the_same_picture(pipeline: StableDiffusionPipeline) -> None:
    first, again = (
        pipeline("a cat", num_inference_steps=3, generator=torch.Generator().manual_seed(4), output_type="np").images
        for _ in range(2)
    )

    assert np.array_equal(first, again)


def test_the_model_card_names_every_word_it_knows() -> None:
    card = (MODEL / "README.md").read_text()

    missing = [word for word in (*KINDS, *COLOURS, *BACKGROUNDS, *WEAR) if word not in card]

    assert missing == []


def test_no_configuration_names_a_path_of_the_machine_that_trained_it() -> None:
    configurations = [json.loads(path.read_text()) for path in MODEL.rglob("*config.json")]

    assert configurations
    assert {configuration.get("_name_or_path", "") for configuration in configurations} == {""}
