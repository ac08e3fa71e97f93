"""Pipelines of pictures that move, whose frames are rows inside the model or a dimension of their own."""

from typing import Any

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    I2VGenXLPipeline,
    I2VGenXLUNet,
    LTXI2VLongMultiPromptPipeline,
    LucyEditPipeline,
    MotionAdapter,
    PIAPipeline,
    TextToVideoSDPipeline,
    UNet3DConditionModel,
    VideoToVideoSDPipeline,
    WanTransformer3DModel,
)
from transformers import CLIPVisionModelWithProjection

from tests.worker.engine.conformance.case import Case, photo
from tests.worker.engine.conformance.parts import awake
from tests.worker.engine.conformance.rare.seeing import looking, reading
from tests.worker.engine.conformance.stable_diffusion import parts
from tests.worker.engine.conformance.video import ltx, wan

SIZES: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
    "cross_attention_dim": 16,
    "attention_head_dim": 4,
}
OF_FRAMES = ("vae", "text_encoder", "tokenizer")


def of_text() -> dict[str, Any]:
    known = {name: part for name, part in parts().items() if name in OF_FRAMES}
    model = UNet3DConditionModel(**SIZES, block_out_channels=(8, 8), norm_num_groups=4)
    return known | {"unet": awake(model), "scheduler": DDIMScheduler(clip_sample=False)}


def of_a_picture() -> dict[str, Any]:
    model = I2VGenXLUNet(**SIZES, block_out_channels=(8, 16), norm_num_groups=2)
    encoder = CLIPVisionModelWithProjection(looking())
    return of_text() | {"unet": awake(model), "image_encoder": encoder, "feature_extractor": reading()}


def with_motion() -> dict[str, Any]:
    adapter = MotionAdapter(
        block_out_channels=(8, 16),
        motion_layers_per_block=1,
        motion_norm_num_groups=2,
        motion_num_attention_heads=2,
        conv_in_channels=9,
    )
    return of_text() | {"unet": parts()["unet"], "motion_adapter": awake(adapter)}


def of_a_video() -> dict[str, Any]:
    known = wan()
    known["vae"].register_to_config(scale_factor_temporal=1, scale_factor_spatial=2)
    config = {**known["transformer"].config, "in_channels": 8}
    return known | {"transformer": WanTransformer3DModel.from_config(config), "transformer_2": None}


def folded(number: int) -> dict[str, Any]:
    return {"num_frames": 3, "guidance_scale": 4.0 + number}


def from_picture(number: int) -> dict[str, Any]:
    return folded(number) | {"image": photo(number, 16), "clip_skip": None}


def filmed(number: int) -> dict[str, Any]:
    return {"video": [np.asarray(photo(number + frame, 16)) / 255 for frame in range(3)], "strength": 0.8}


def edited(number: int) -> dict[str, Any]:
    chance = torch.Generator().manual_seed(200 + number)
    given = {name: torch.randn(1, 16, 16, generator=chance) for name in ("prompt_embeds", "negative_prompt_embeds")}
    video = [photo(number + frame, 16) for frame in range(5)]
    return given | {"prompt": None, "video": video, "num_frames": 5, "max_sequence_length": 16}


def in_windows(number: int) -> dict[str, Any]:
    return {
        "height": 32,
        "width": 32,
        "num_frames": 17,
        "temporal_tile_size": 9 + 8 * (number == 2),
        "temporal_overlap": 1,
        "decode_horizontal_tiles": 1 + number % 2,
        "decode_vertical_tiles": 1,
        "decode_overlap": 1,
        "max_sequence_length": 16,
        "skip_steps_sigma_threshold": None,
        "guidance_scale": 3.0 + number,
    }


CASES = [
    Case(I2VGenXLPipeline, of_a_picture, from_picture),
    Case(LTXI2VLongMultiPromptPipeline, ltx, in_windows),
    Case(LucyEditPipeline, of_a_video, edited),
    Case(PIAPipeline, with_motion, from_picture),
    Case(TextToVideoSDPipeline, of_text, folded),
    Case(VideoToVideoSDPipeline, of_text, filmed),
]
