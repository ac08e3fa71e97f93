from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPAGPipeline,
    UniPCMultistepScheduler,
)

from tests.worker.engine.tiny_pipelines import flux, over_the_same_weights
from worker.engine import Engine, ModuleStats

SCHEDULERS = [
    DDIMScheduler,
    EulerDiscreteScheduler,
    DPMSolverMultistepScheduler,
    UniPCMultistepScheduler,
    HeunDiscreteScheduler,
    EulerAncestralDiscreteScheduler,
]
PROMPTS = ["a cat", "a red dog", "the blue moon", "a cat wearing a space helmet"]
TOLERANCE = 1e-4

Request = tuple[Any, Callable[[], dict[str, Any]]]


def text_to_image(seed: int, **more: Any) -> dict[str, Any]:
    """Arguments that differ from seed to seed in all that may differ; the generator is new each time."""
    return {
        "prompt": PROMPTS[seed % 4],
        "negative_prompt": ["", "a dog", None][seed % 3],
        "num_inference_steps": 3 + seed % 4,
        "guidance_scale": [7.5, 1.0, 3.0][seed % 3],
        "generator": torch.Generator().manual_seed(seed),
        "output_type": "np",
        **more,
    }


def image_to_image(seed: int) -> dict[str, Any]:
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    return text_to_image(seed) | {"image": picture, "strength": 0.8}


def inpainting(seed: int) -> dict[str, Any]:
    mask = (torch.arange(16) < 8).float().expand(1, 1, 16, 16)
    return image_to_image(seed) | {"mask_image": mask, "height": 16, "width": 16}


def develop_in_company(engine: Engine, requests: list[Request], stagger: int = 0) -> list[Any]:
    """Submits all requests, some only when the one before has made a few steps, and returns their images."""
    futures: list[Future[Any]] = []
    for pipeline, arguments in requests:
        engine.adopt(pipeline)
        reached = Future[None]()

        def on_step(step: int, _total: int, _latents: Any, reached: Future[None] = reached) -> None:
            if step == stagger:
                reached.set_result(None)

        futures.append(engine.submit(pipeline, on_step=on_step, **arguments()))
        if stagger and len(futures) % 3 == 0:
            reached.result(timeout=30)
    return [future.result(timeout=60).images for future in futures]


def assert_same_as_alone(requests: list[Request], images: list[Any]) -> None:
    for (pipeline, arguments), image in zip(requests, images, strict=True):
        assert np.abs(pipeline(**arguments()).images - image).max() <= TOLERANCE


def module(engine: Engine, name: str) -> ModuleStats:
    return next(stats for stats in engine.stats().modules if stats.module == name)


def test_a_run_in_company_gives_what_the_stock_pipeline_gives_alone(engine: Engine, stable_diffusion: Any) -> None:
    pipelines = [over_the_same_weights(stable_diffusion, scheduler=scheduler) for scheduler in SCHEDULERS]
    requests: list[Request] = [(pipelines[seed % len(pipelines)], partial(text_to_image, seed)) for seed in range(16)]

    images = develop_in_company(engine, requests)

    assert_same_as_alone(requests, images)
    assert module(engine, "unet").mean_rows > 5
    texts = module(engine, "text_encoder")
    assert texts.forwards < texts.calls / 3
    assert engine.stats().never_stacked == ()


def test_runs_join_the_batch_while_others_are_at_later_steps(engine: Engine, stable_diffusion: Any) -> None:
    requests: list[Request] = [(stable_diffusion, partial(text_to_image, seed)) for seed in range(9)]

    images = develop_in_company(engine, requests, stagger=2)

    assert_same_as_alone(requests, images)
    assert module(engine, "unet").mean_rows > 3


def test_text_images_and_masks_develop_in_one_batch(engine: Engine, stable_diffusion: Any) -> None:
    from_image = over_the_same_weights(stable_diffusion, StableDiffusionImg2ImgPipeline)
    inpaint = over_the_same_weights(stable_diffusion, StableDiffusionInpaintPipeline)
    requests: list[Request] = [
        (stable_diffusion, partial(text_to_image, 0)),
        (from_image, partial(image_to_image, 1)),
        (inpaint, partial(inpainting, 2)),
        (from_image, partial(image_to_image, 3)),
        (inpaint, partial(inpainting, 4)),
    ]

    images = develop_in_company(engine, requests)

    assert_same_as_alone(requests, images)
    assert module(engine, "unet").mean_rows > 3


def test_a_larger_family_with_two_text_encoders_develops_in_company(engine: Engine, stable_diffusion_xl: Any) -> None:
    requests: list[Request] = [
        (stable_diffusion_xl, partial(text_to_image, seed, height=16, width=16)) for seed in range(6)
    ]

    images = develop_in_company(engine, requests)

    assert_same_as_alone(requests, images)
    assert module(engine, "unet").mean_rows > 3
    assert engine.stats().exclusive == ()


def test_a_transformer_with_shared_position_tensors_develops_in_company(engine: Engine) -> None:
    def arguments(seed: int) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(seed)
        return {
            "prompt_embeds": torch.randn(1, 6, 16, generator=generator),
            "pooled_prompt_embeds": torch.randn(1, 16, generator=generator),
            "num_inference_steps": 2 + seed % 3,
            "guidance_scale": 1.0 + seed,
            "generator": generator,
            "height": 16,
            "width": 16,
            "output_type": "np",
        }

    pipeline = flux()
    requests: list[Request] = [(pipeline, partial(arguments, seed)) for seed in range(6)]

    images = develop_in_company(engine, requests)

    assert_same_as_alone(requests, images)
    assert module(engine, "transformer").mean_rows > 2


def test_two_models_develop_side_by_side(engine: Engine, stable_diffusion: Any, stable_diffusion_xl: Any) -> None:
    requests: list[Request] = [
        (pipeline, partial(text_to_image, seed, height=16, width=16))
        for seed in range(3)
        for pipeline in (stable_diffusion, stable_diffusion_xl)
    ]

    images = develop_in_company(engine, requests)

    assert_same_as_alone(requests, images)
    models = {stats.model for stats in engine.stats().modules if stats.module == "unet" and stats.calls}
    assert models == {"StableDiffusionPipeline", "StableDiffusionXLPipeline"}


def test_on_step_sees_every_step_and_leaves_the_callers_own_callback_alone(
    engine: Engine, stable_diffusion: Any
) -> None:
    seen: list[tuple[int, int, tuple[int, ...]]] = []
    theirs: list[int] = []

    def callback(_pipeline: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        theirs.append(index)
        return tensors

    engine.adopt(stable_diffusion)
    arguments = text_to_image(1) | {"num_inference_steps": 3, "callback_on_step_end": callback}

    def on_step(step: int, total: int, latents: Any) -> None:
        seen.append((step, total, tuple(latents.shape)))

    engine.submit(stable_diffusion, on_step=on_step, **arguments).result(timeout=60)

    assert seen == [(1, 3, (1, 4, 8, 8)), (2, 3, (1, 4, 8, 8)), (3, 3, (1, 4, 8, 8))]
    assert theirs == [0, 1, 2]


def test_an_adopted_pipeline_still_works_by_itself_and_is_given_back_as_it_was(stable_diffusion: Any) -> None:
    before = {name: dict(vars(part)) for name, part in stable_diffusion.components.items() if name in ("unet", "vae")}
    expected = stable_diffusion(**text_to_image(1)).images

    with Engine() as engine:
        engine.adopt(stable_diffusion)
        assert np.array_equal(stable_diffusion(**text_to_image(1)).images, expected)

    for name, attributes in before.items():
        assert vars(getattr(stable_diffusion, name)) == attributes


def test_the_weights_of_a_run_are_the_callers_own(engine: Engine, stable_diffusion: Any) -> None:
    seen: list[Any] = []

    def callback(own: Any, _index: int, _timestep: Any, _tensors: Any) -> dict[str, Any]:
        seen.extend([own, own.unet, own.scheduler])
        return {}

    engine.adopt(stable_diffusion)
    arguments = text_to_image(1) | {"num_inference_steps": 1, "callback_on_step_end": callback}
    engine.submit(stable_diffusion, **arguments).result(timeout=60)

    own, unet, scheduler = seen
    assert own is not stable_diffusion
    assert unet is stable_diffusion.unet
    assert scheduler is not stable_diffusion.scheduler


def test_the_totals_of_a_module_never_fall(engine: Engine, stable_diffusion: Any) -> None:
    engine.adopt(stable_diffusion)
    totals = []
    for seed in range(2):
        engine.submit(stable_diffusion, **text_to_image(seed)).result(timeout=60)
        totals.append(module(engine, "unet"))

    assert totals[0].calls == 3
    assert totals[1].calls == 3 + 4
    assert totals[1].rows > totals[0].rows


def test_a_pipeline_that_swaps_attention_processors_harms_nobody(engine: Engine, stable_diffusion: Any) -> None:
    swapping = over_the_same_weights(stable_diffusion, StableDiffusionPAGPipeline)
    requests: list[Request] = [
        (pipeline, partial(text_to_image, seed, guidance_scale=5.0))
        for seed in range(3)
        for pipeline in (stable_diffusion, swapping)
    ]

    first = develop_in_company(engine, requests)
    again = develop_in_company(engine, requests)

    assert_same_as_alone(requests, first)
    assert_same_as_alone(requests, again)
    assert engine.stats().exclusive == ("StableDiffusionPAGPipeline",)
