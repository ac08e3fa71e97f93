"""The bar: everything that requests may differ in, in one batch."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)

from tests.worker.engine.conformance.parts import awake
from tests.worker.engine.test_engine import image_to_image, inpainting, text_to_image
from tests.worker.engine.tiny_pipelines import quiet
from tests.worker.pipelines.adapters.stock import loaded, set_scales, stock_with
from worker.engine import Engine, ModuleStats

SCHEDULERS = [
    DDIMScheduler,
    EulerDiscreteScheduler,
    DPMSolverMultistepScheduler,
    UniPCMultistepScheduler,
    HeunDiscreteScheduler,
    EulerAncestralDiscreteScheduler,
    PNDMScheduler,
]
KINDS = [
    (StableDiffusionPipeline, text_to_image),
    (StableDiffusionImg2ImgPipeline, image_to_image),
    (StableDiffusionInpaintPipeline, inpainting),
    (StableDiffusionControlNetPipeline, text_to_image),
    (StableDiffusionControlNetImg2ImgPipeline, image_to_image),
    (StableDiffusionControlNetInpaintPipeline, inpainting),
]
COMBINATIONS: list[dict[str, float]] = [{}, {"a": 1.0}, {"b": 0.6}, {"a": 0.4, "b": 0.9}, {"c": -1.2}]
STEPS = [9, 10, 11, 12]
REQUESTS = range(16)


def pipeline_of(request: int, weights: Any, controlnet: Any) -> Any:
    kind = KINDS[request % len(KINDS)][0]
    parts = dict(weights.components) | ({"controlnet": controlnet} if "ControlNet" in kind.__name__ else {})
    scheduler = SCHEDULERS[request % len(SCHEDULERS)].from_config(weights.scheduler.config)
    return quiet(kind(**parts | {"scheduler": scheduler}, requires_safety_checker=False))


def arguments_of(request: int) -> dict[str, Any]:
    kind, make = KINDS[request % len(KINDS)]
    arguments = make(request) | {"num_inference_steps": STEPS[request % len(STEPS)]}
    hint = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(100 + request))
    if "ControlNet" not in kind.__name__:
        return arguments
    field = "image" if kind is StableDiffusionControlNetPipeline else "control_image"
    return arguments | {field: hint, "controlnet_conditioning_scale": 0.7}


def scales_of(request: int) -> dict[str, float]:
    return COMBINATIONS[request % len(COMBINATIONS)]


def test_requests_that_differ_in_everything_develop_in_one_batch_and_each_is_as_alone(
    stable_diffusion: Any, files: dict[str, Path]
) -> None:
    controlnet = awake(
        ControlNetModel.from_unet(stable_diffusion.unet, conditioning_embedding_out_channels=(4, 8))
    ).eval()
    stock = stock_with(stable_diffusion, files)
    expected = []
    for request in REQUESTS:
        set_scales(stock, scales_of(request))
        expected.append(pipeline_of(request, stock, controlnet)(**arguments_of(request)).images)
    loras = loaded(stable_diffusion, files)

    with Engine(max_rows=32) as engine:
        pipelines = [pipeline_of(request, stable_diffusion, controlnet) for request in REQUESTS]
        for pipeline in pipelines:
            engine.adopt(pipeline)

        def develop() -> list[Any]:
            runs = [
                engine.submit(pipelines[request], adapters=loras.wear(scales_of(request)), **arguments_of(request))
                for request in REQUESTS
            ]
            return [run.result(timeout=60).images for run in runs]

        first, again = develop(), develop()
        total = denoiser(engine)

    for images in (first, again):
        for image, alone in zip(images, expected, strict=True):
            assert np.abs(image - alone).max() <= 1e-4
    assert total.mean_rows > 8  # though first meetings are answered one by one, too


def denoiser(engine: Engine) -> ModuleStats:
    return next(module for module in engine.stats().modules if module.module == "unet")
