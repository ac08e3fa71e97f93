from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDPMPipeline,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    UNet2DModel,
)
from torch import nn

from app.contract.catalogue import Catalogue, Model
from app.contract.errors import ModelUnloadable
from app.contract.generation import Task
from tests.worker.engine import tiny_pipelines
from tests.worker.pipelines.conftest import CPU
from tests.worker.tiny_catalogue import write_catalogue
from worker.engine import Engine
from worker.pipelines.loading import load
from worker.pipelines.memory import modules_of, weight_bytes
from worker.pipelines.task_pipelines import TaskPipelines
from worker.pipelines.warming import LORA_SHARE, LoadedModel

SCHEDULER = "DDIMScheduler"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    torch.set_num_threads(1)
    return Catalogue.read(write_catalogue(tmp_path_factory.mktemp("catalogue"))).find("tiny")


def over(pipeline: Any, model: Model, *tasks: Task, strength: float | None = None) -> TaskPipelines:
    defaults = model.defaults.model_copy(update={"strength": strength})
    promising = model.model_copy(update={"tasks": [*tasks], "controlnets": {}, "defaults": defaults})
    return TaskPipelines(promising, {SCHEDULER: pipeline}, {})


def test_every_task_is_done_by_the_familys_own_pipeline_over_the_same_modules(tiny: Model) -> None:
    pipelines = load(tiny, torch.float32)

    plain = pipelines.find(SCHEDULER, "text-to-image")
    over_a_picture = pipelines.find("EulerDiscreteScheduler", "image-to-image")
    all_at_once = pipelines.find(SCHEDULER, "inpainting", "edges")

    kinds = [StableDiffusionPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionControlNetInpaintPipeline]
    assert [type(each) for each in (plain, over_a_picture, all_at_once)] == kinds
    assert len({id(each.unet) for each in (plain, over_a_picture, all_at_once)}) == 1
    assert type(over_a_picture.scheduler).__name__ == "EulerDiscreteScheduler"
    assert pipelines.find(SCHEDULER, "inpainting", "edges") is all_at_once


def test_a_pipeline_of_no_known_family_does_what_its_own_call_takes(tiny: Model) -> None:
    plain = StableDiffusionPipeline.from_pretrained(tiny.source)
    editing = tiny_pipelines.over_the_same_weights(plain, StableDiffusionInstructPix2PixPipeline)

    pipelines = over(editing, tiny, "image-to-image")

    assert pipelines.find(SCHEDULER, "image-to-image") is editing


@pytest.mark.parametrize("task", ["image-to-image", "inpainting"])
def test_a_task_that_no_pipeline_of_the_family_does_is_named(tiny: Model, task: Task) -> None:
    unet = UNet2DModel(
        8, block_out_channels=(32, 32), down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2
    )
    unconditional = DDPMPipeline(unet, StableDiffusionPipeline.from_pretrained(tiny.source).scheduler)

    with pytest.raises(ModelUnloadable, match=f"promises {task} of tiny, which its DDPMPipeline cannot do"):
        over(unconditional, tiny, "text-to-image", task)


def test_a_default_strength_is_asked_for_where_a_pipeline_takes_one_and_only_there(tiny: Model) -> None:
    plain = StableDiffusionPipeline.from_pretrained(tiny.source)

    with pytest.raises(ModelUnloadable, match="gives tiny no default strength, and its StableDiffusionImg2Img"):
        over(plain, tiny, "text-to-image", "image-to-image")
    with pytest.raises(ModelUnloadable, match="gives tiny a default strength, and none of its pipelines takes one"):
        over(plain, tiny, "text-to-image", strength=0.5)


def test_a_controlnet_without_weights_is_refused_by_name(tiny: Model, tmp_path: Path) -> None:
    nowhere = tiny.controlnets["edges"].model_copy(update={"source": str(tmp_path)})
    model = tiny.model_copy(update={"controlnets": {"edges": nowhere}})

    with pytest.raises(ModelUnloadable, match="The ControlNet edges of tiny cannot be loaded"):
        load(model, torch.float32)


def test_a_model_takes_the_memory_of_its_controlnets_and_has_room_for_loras(tiny: Model, engine: Engine) -> None:
    loaded = LoadedModel.load(tiny, CPU, engine)

    weights = weight_bytes([*modules_of(loaded.pipelines.own), loaded.pipelines.controlnets["edges"]])
    assert loaded.bytes == pytest.approx((1 + LORA_SHARE) * weights, abs=1)


def test_a_controlnet_is_adopted_by_its_name_and_given_back(tiny: Model, engine: Engine) -> None:
    warm = LoadedModel.load(tiny, CPU, engine).warm()
    adopted = {(each.model, each.module) for each in engine.stats().modules}

    warm.release()

    assert ("tiny", "controlnet.edges") in adopted
    assert engine.stats().modules == ()


def test_a_promise_that_is_broken_when_it_is_tried_is_told_at_the_start(tiny: Model, engine: Engine) -> None:
    narrow = LoadedModel.load(tiny, CPU, engine)
    narrow.pipelines.controlnets["edges"].conv_in = nn.Conv2d(3, 8, 1)  # for pixels, not for latents

    with pytest.raises(ModelUnloadable, match="tiny was loaded and cannot be warmed"):
        narrow.warm()

    assert engine.stats().modules == ()


@pytest.mark.parametrize(
    ("kind", "channels", "task", "strength"),
    [
        (StableDiffusionInstructPix2PixPipeline, 8, "image-to-image", None),
        (StableDiffusionInpaintPipeline, 9, "inpainting", 0.8),
    ],
)
def test_a_model_without_text_to_image_is_warmed_by_what_it_does(
    tiny: Model, engine: Engine, tmp_path: Path, kind: Any, channels: int, task: Task, strength: float | None
) -> None:
    plain = StableDiffusionPipeline.from_pretrained(tiny.source)
    parts = plain.components | {"unet": tiny_pipelines.unet(cross_attention_dim=16, in_channels=channels)}
    kind(**parts, requires_safety_checker=False).save_pretrained(tmp_path)
    defaults = tiny.defaults.model_copy(update={"strength": strength})
    model = Model(
        name="x", source=str(tmp_path), tasks=[task], schedulers=[SCHEDULER], defaults=defaults, limits=tiny.limits
    )

    warm = LoadedModel.load(model, CPU, engine).warm()

    assert type(warm.pipelines.find(SCHEDULER, task)) is kind
