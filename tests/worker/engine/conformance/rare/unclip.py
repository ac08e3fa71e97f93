"""Pipelines that make a picture's embedding first, and enlarge the picture last."""

from typing import Any

from diffusers import (
    PriorTransformer,
    UnCLIPImageVariationPipeline,
    UnCLIPPipeline,
    UnCLIPScheduler,
    UNet2DConditionModel,
    UNet2DModel,
)
from diffusers.pipelines.deprecated.unclip import UnCLIPTextProjModel
from transformers import CLIPTextModelWithProjection, CLIPVisionModelWithProjection

from tests.worker.engine.conformance.case import GUIDANCE, STEPS, Case, photo
from tests.worker.engine.conformance.parts import tokenizer
from tests.worker.engine.conformance.rare.seeing import looking, reading
from tests.worker.engine.tiny_pipelines import text_config

LEARNED = {"variance_type": "learned_range", "prediction_type": "epsilon"}
FIXED = {"variance_type": "fixed_small_log", "prediction_type": "epsilon"}


def decoding() -> dict[str, Any]:
    decoder = UNet2DConditionModel(
        sample_size=8,
        in_channels=3,
        out_channels=6,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        resnet_time_scale_shift="scale_shift",
        class_embed_type="identity",
        norm_num_groups=4,
    )
    return {
        "decoder": decoder,
        "text_proj": UnCLIPTextProjModel(clip_embeddings_dim=16, time_embed_dim=32, cross_attention_dim=16),
        "text_encoder": CLIPTextModelWithProjection(text_config()),
        "tokenizer": tokenizer(),
        "super_res_first": enlarging(),
        "super_res_last": enlarging(),
        "decoder_scheduler": UnCLIPScheduler(**LEARNED),
        "super_res_scheduler": UnCLIPScheduler(**FIXED),
    }


def enlarging() -> UNet2DModel:
    return UNet2DModel(
        sample_size=16,
        in_channels=6,
        out_channels=3,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D",) * 2,
        up_block_types=("ResnetUpsampleBlock2D",) * 2,
        norm_num_groups=4,
    )


def from_text() -> dict[str, Any]:
    sizes = {"num_attention_heads": 2, "attention_head_dim": 8, "embedding_dim": 16, "num_layers": 1}
    scheduler = UnCLIPScheduler(variance_type="fixed_small_log", prediction_type="sample", clip_sample_range=5.0)
    prior = PriorTransformer(**sizes, num_embeddings=16, additional_embeddings=4)
    return decoding() | {"prior": prior, "prior_scheduler": scheduler}


def from_a_picture() -> dict[str, Any]:
    return decoding() | {"image_encoder": CLIPVisionModelWithProjection(looking()), "feature_extractor": reading()}


def in_steps(number: int) -> dict[str, Any]:
    return {
        "decoder_num_inference_steps": STEPS[number],
        "super_res_num_inference_steps": 2 + number % 2,
        "decoder_guidance_scale": GUIDANCE[number],
    }


def first(number: int) -> dict[str, Any]:
    return {"prior_num_inference_steps": STEPS[-number], "prior_guidance_scale": 2.0 + number}


CASES = [
    Case(UnCLIPPipeline, from_text, lambda number: in_steps(number) | first(number)),
    Case(UnCLIPImageVariationPipeline, from_a_picture, lambda number: in_steps(number) | {"image": photo(number, 32)}),
]
