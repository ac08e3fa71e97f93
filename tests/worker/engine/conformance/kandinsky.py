"""Decoders of image embeddings."""

from functools import partial
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    KandinskyV22ControlnetImg2ImgPipeline,
    KandinskyV22ControlnetPipeline,
    KandinskyV22Img2ImgPipeline,
    KandinskyV22InpaintPipeline,
    KandinskyV22Pipeline,
    UNet2DConditionModel,
    VQModel,
)

from tests.worker.engine.conformance.case import Case, mask, photo, picture


def parts(in_channels: int = 4, embeds: str = "image", scheduler: type = DDPMScheduler) -> dict[str, Any]:
    unet = UNet2DConditionModel(
        in_channels=in_channels,
        out_channels=8,
        addition_embed_type=embeds,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        block_out_channels=(8, 16),
        layers_per_block=1,
        encoder_hid_dim=16,
        encoder_hid_dim_type="image_proj",
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=4,
        resnet_time_scale_shift="scale_shift",
    )
    movq = VQModel(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=4,
        norm_type="spatial",
        num_vq_embeddings=12,
        vq_embed_dim=4,
    )
    return {"unet": unet, "movq": movq, "scheduler": scheduler()}


def embedded(number: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(200 + number)
    image, negative = torch.randn(2, 1, 16, generator=generator)
    return {"image_embeds": image, "negative_image_embeds": negative, "height": 32, "width": 32}


def from_picture(number: int) -> dict[str, Any]:
    return embedded(number) | {"image": photo(number, 32), "strength": 0.8}


def inpainting(number: int) -> dict[str, Any]:
    half = mask(32)[0, 0].numpy()
    return embedded(number) | {"image": photo(number, 32), "mask_image": half}


def hinted(number: int) -> dict[str, Any]:
    return {"hint": picture(number + 10, 128)}


CASES = [
    Case(KandinskyV22Pipeline, parts, embedded),
    Case(KandinskyV22Img2ImgPipeline, partial(parts, scheduler=DDIMScheduler), from_picture),
    Case(KandinskyV22InpaintPipeline, partial(parts, in_channels=9), inpainting),
    Case(
        KandinskyV22ControlnetPipeline,
        partial(parts, in_channels=8, embeds="image_hint"),
        lambda number: embedded(number) | hinted(number),
    ),
    Case(
        KandinskyV22ControlnetImg2ImgPipeline,
        partial(parts, in_channels=8, embeds="image_hint", scheduler=DDIMScheduler),
        lambda number: from_picture(number) | hinted(number),
    ),
]
