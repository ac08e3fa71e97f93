from typing import Any

from diffusers import (
    AutoencoderDC,
    FlowMatchEulerDiscreteScheduler,
    SanaControlNetModel,
    SanaControlNetPipeline,
    SanaPAGPipeline,
    SanaPipeline,
    SanaSprintImg2ImgPipeline,
    SanaSprintPipeline,
    SanaTransformer2DModel,
    SCMScheduler,
)
from transformers import Gemma2Config, Gemma2Model

from tests.worker.engine.conformance.case import Case, picture
from tests.worker.engine.conformance.parts import LANGUAGE, awake, tokenizer

SIZES = {
    "patch_size": 1,
    "in_channels": 4,
    "out_channels": 4,
    "num_layers": 1,
    "num_attention_heads": 2,
    "attention_head_dim": 4,
    "num_cross_attention_heads": 2,
    "cross_attention_head_dim": 4,
    "cross_attention_dim": 8,
    "caption_channels": 16,
    "sample_size": 8,
}


def parts(**transformer_settings: Any) -> dict[str, Any]:
    blocks = ("ResBlock", "EfficientViTBlock")
    vae = AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=blocks,
        decoder_block_types=blocks,
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.4,
    )
    return {
        "transformer": SanaTransformer2DModel(**SIZES, **transformer_settings),
        "vae": vae,
        "text_encoder": Gemma2Model(Gemma2Config(**LANGUAGE)),
        "tokenizer": tokenizer(64),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
    }


def sprinting() -> dict[str, Any]:
    known = parts(qk_norm="rms_norm_across_heads", guidance_embeds=True)
    return known | {"scheduler": SCMScheduler()}


def control() -> dict[str, Any]:
    return parts() | {"controlnet": awake(SanaControlNetModel(**SIZES))}


def short(_number: int) -> dict[str, Any]:
    size = {"height": 32, "width": 32, "use_resolution_binning": False}
    return size | {"max_sequence_length": 16, "complex_human_instruction": None}


def sprint(number: int) -> dict[str, Any]:
    return short(number) | {"intermediate_timesteps": None}


def sprint_from_picture(number: int) -> dict[str, Any]:
    return sprint(number) | {"image": picture(number, 32), "strength": 0.8}


CASES = [
    Case(SanaPipeline, parts, short),
    Case(SanaControlNetPipeline, control, lambda number: short(number) | {"control_image": picture(number, 32)}),
    Case(SanaSprintPipeline, sprinting, sprint),
    Case(
        SanaSprintImg2ImgPipeline,
        sprinting,
        lambda number: sprint(number) | {"image": picture(number, 32), "strength": 0.8},
    ),
    Case(
        SanaPAGPipeline,
        lambda: parts() | {"pag_applied_layers": "blocks.0"},
        lambda number: short(number) | {"pag_scale": 2.0},
        is_exclusive=True,
    ),
]
