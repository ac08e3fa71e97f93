from functools import partial
from typing import Any

from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    StableDiffusion3ControlNetInpaintingPipeline,
    StableDiffusion3ControlNetPipeline,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3InpaintPipeline,
    StableDiffusion3PAGImg2ImgPipeline,
    StableDiffusion3PAGPipeline,
    StableDiffusion3Pipeline,
)
from transformers import CLIPTextModelWithProjection

from tests.worker.engine.conformance.case import Case, from_picture, inpainting, mask, picture
from tests.worker.engine.conformance.parts import awake, t5, tokenizer
from tests.worker.engine.tiny_pipelines import text_config, vae

SIZES = {
    "sample_size": 8,
    "patch_size": 1,
    "in_channels": 16,
    "out_channels": 16,
    "num_layers": 2,
    "attention_head_dim": 8,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "caption_projection_dim": 16,
    "pooled_projection_dim": 32,
}


def parts(**transformer_settings: Any) -> dict[str, Any]:
    return {
        "transformer": awake(SD3Transformer2DModel(**SIZES, **transformer_settings)),
        "vae": vae(latent_channels=16, shift_factor=0.1),
        "text_encoder": CLIPTextModelWithProjection(text_config()),
        "text_encoder_2": CLIPTextModelWithProjection(text_config()),
        "text_encoder_3": t5(32),
        "tokenizer": tokenizer(),
        "tokenizer_2": tokenizer(),
        "tokenizer_3": tokenizer(),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def control(**controlnet_settings: Any) -> dict[str, Any]:
    return parts() | {"controlnet": awake(SD3ControlNetModel(**SIZES, **controlnet_settings))}


def controlled(number: int) -> dict[str, Any]:
    return {"control_image": picture(number)}


def perturbing() -> dict[str, Any]:
    return parts() | {"pag_applied_layers": "blocks.0"}


def perturbed(number: int) -> dict[str, Any]:
    return {"pag_scale": 2.0 + number}


CASES = [
    Case(StableDiffusion3Pipeline, parts),
    Case(
        StableDiffusion3Pipeline,
        partial(parts, qk_norm="rms_norm", dual_attention_layers=(0,)),
        variant="dual-attention",
    ),
    Case(StableDiffusion3Img2ImgPipeline, parts, from_picture),
    Case(StableDiffusion3InpaintPipeline, parts, inpainting),
    Case(StableDiffusion3ControlNetPipeline, control, controlled),
    Case(
        StableDiffusion3ControlNetInpaintingPipeline,
        partial(control, extra_conditioning_channels=1),
        lambda number: controlled(number) | {"control_mask": mask()},
    ),
    Case(StableDiffusion3PAGPipeline, perturbing, perturbed, is_exclusive=True),
    Case(
        StableDiffusion3PAGImg2ImgPipeline,
        perturbing,
        lambda number: from_picture(number) | perturbed(number),
        is_exclusive=True,
    ),
]
