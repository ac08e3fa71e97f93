"""All that a job can ask for, through the worker's own task, and what the stock pipelines make of the same alone."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)
from PIL import Image
from redis import Redis

from app.contract.catalogue import Catalogue
from app.contract.errors import LoraUnloadable
from app.contract.generation import Generation, GenerationRequest
from tests.worker.lab import EDGES, IMAGE, MASK, Lab
from tests.worker.pipelines.adapters.stock import set_scales, stock_with
from tests.worker.tiny_catalogue import write_catalogue

INK, WASH = {"name": "ink", "scale": 0.8}, {"name": "wash", "scale": -0.5}
EULER = "EulerDiscreteScheduler"
STOCK = {
    "text-to-image": (StableDiffusionPipeline, StableDiffusionControlNetPipeline),
    "image-to-image": (StableDiffusionImg2ImgPipeline, StableDiffusionControlNetImg2ImgPipeline),
    "inpainting": (StableDiffusionInpaintPipeline, StableDiffusionControlNetInpaintPipeline),
}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    torch.set_num_threads(1)
    return Catalogue.read(write_catalogue(tmp_path_factory.mktemp("catalogue")))


@pytest.fixture
def open_lab(redis: Redis, redis_url: str, tmp_path: Path) -> Iterator[Callable[[Catalogue], Lab]]:
    labs = []

    def open_lab(catalogue: Catalogue) -> Lab:
        labs.append(Lab(catalogue.find(None), redis, redis_url, tmp_path))
        return labs[-1]

    yield open_lab
    for lab in labs:
        lab.engine.close()


@pytest.fixture
def tiny(catalogue: Catalogue, open_lab: Callable[[Catalogue], Lab]) -> Lab:
    return open_lab(catalogue)


def stock_picture(lab: Lab, asked: Generation) -> Image.Image:
    """What diffusers makes of it alone, from the same files, with its own loading of LoRAs."""
    plain = StableDiffusionPipeline.from_pretrained(lab.model.source)
    if files := {lora.name: file_of(lab, lora.name) for lora in asked.loras}:
        plain = stock_with(plain, files)
        set_scales(plain, {lora.name: lora.scale for lora in asked.loras})
    parts = {**plain.components, "scheduler": getattr(diffusers, asked.scheduler).from_config(plain.scheduler.config)}
    more: dict[str, Any] = {}
    if asked.control:
        parts["controlnet"] = ControlNetModel.from_pretrained(lab.model.controlnets["edges"].source)
        name = "control_image" if asked.image else "image"
        more = {name: EDGES, "controlnet_conditioning_scale": asked.control.scale}
    if asked.image:
        more |= {
            "image": IMAGE.resize((asked.width, asked.height), Image.Resampling.LANCZOS),
            "strength": asked.strength,
        }
    if asked.mask:
        more["mask_image"] = MASK
    if asked.control or asked.mask or not asked.image:  # image-to-image has the size of its image
        more |= {"width": asked.width, "height": asked.height}
    pipeline = STOCK[asked.task][bool(asked.control)](**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        asked.prompt,
        num_inference_steps=asked.num_inference_steps,
        guidance_scale=asked.guidance_scale,
        generator=torch.Generator().manual_seed(asked.seed),
        **more,
    ).images[0]


def file_of(lab: Lab, lora: str) -> Path:
    source = Path(lab.model.loras[lora].source)
    return source if source.is_file() else next(source.glob("*.safetensors"))


def difference(one: Image.Image, other: Image.Image) -> int:
    first, second = (np.asarray(each, dtype=np.int16) for each in (one, other))
    return int(np.abs(first - second).max())


def test_jobs_of_every_kind_in_company_each_get_the_stock_pipelines_picture(tiny: Lab) -> None:
    size = {"width": 16, "height": 16}
    asked = [
        tiny.generation(prompt="a red dog"),
        tiny.generation(prompt="a red dog", loras=[INK]),
        tiny.generation(IMAGE, **size, strength=0.5, num_inference_steps=6, loras=[INK, WASH]),
        tiny.generation(IMAGE, MASK, **size, guidance_scale=5.0),
        tiny.generation(EDGES, **size, scheduler=EULER),
        tiny.generation(IMAGE, EDGES, **size, guidance_scale=1.0),
        tiny.generation(IMAGE, MASK, EDGES, **size, strength=0.7, loras=[WASH]),
    ]

    pictures = tiny.develop(*asked)

    expected = [stock_picture(tiny, each) for each in asked]
    assert max(difference(one, other) for one, other in zip(pictures, expected, strict=True)) <= 1
    assert difference(pictures[0], pictures[1]) > 1


def test_all_tasks_share_forward_passes(tiny: Lab) -> None:
    given: list[tuple[Image.Image, ...]] = [(), (IMAGE,), (IMAGE, MASK)]
    asked = [tiny.generation(*each, width=16, height=16, strength=1.0 if each else None) for each in given]
    before = counts(tiny)

    tiny.develop(*asked)

    calls, forwards = counts(tiny)["unet"] - before["unet"]
    assert calls == 3 * 4
    assert forwards < 0.7 * calls


def test_the_embedded_model_draws_over_a_picture_as_the_stock_pipeline_does(
    open_lab: Callable[[Catalogue], Lab],
) -> None:
    mini = open_lab(Catalogue.read())
    asked = [mini.generation(*given, num_inference_steps=6, strength=0.7) for given in ((IMAGE,), (IMAGE, MASK))]

    pictures = mini.develop(*asked)

    assert {picture.size for picture in pictures} == {(64, 64)}  # its smallest
    for picture, each in zip(pictures, asked, strict=True):
        assert difference(picture, stock_picture(mini, each)) <= 1


def test_progress_counts_the_steps_that_the_pipeline_makes(tiny: Lab) -> None:
    [claim] = tiny.claim(tiny.generation(IMAGE, num_inference_steps=10, strength=0.35))
    seen: list[tuple[int, int]] = []
    claim.report = lambda step, total_steps: seen.append((step, total_steps))  # type: ignore[method-assign]

    tiny.developed(claim)

    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_lora_that_cannot_be_loaded_fails_its_own_job(tiny: Lab, caplog: pytest.LogCaptureFixture) -> None:
    broken, sound = tiny.claim(tiny.generation(loras=[INK, {"name": "broken"}]), tiny.generation(loras=[INK]))

    with pytest.raises(LoraUnloadable, match="The LoRA ink or broken cannot be loaded; its worker's log says why"):
        tiny.developed(broken)

    assert "broken.safetensors" in caplog.text
    assert tiny.developed(sound).width == 16


def test_the_recipe_in_a_file_asks_for_the_same_pixels(tiny: Lab) -> None:
    asked = tiny.generation(prompt="a cat: a dog", negative_prompt="red", loras=[INK, WASH], scheduler=EULER)
    [picture] = tiny.develop(asked)

    body = json.loads(picture.text["darkroom"])  # type: ignore[attr-defined]
    again = tiny.model.fill(GenerationRequest.model_validate(body))
    [repeated] = tiny.develop(again)

    assert again == asked
    assert repeated.tobytes() == picture.tobytes()


def counts(lab: Lab) -> dict[str, np.ndarray[Any, Any]]:
    """Each module's calls and forward passes."""
    return {each.module: np.array([each.calls, each.forwards]) for each in lab.engine.stats().modules}
