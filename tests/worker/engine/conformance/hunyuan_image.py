"""Pipelines whose guidance is a part of theirs, which may change the transformer for one of its calls."""

from functools import partial
from typing import Any

import torch
from diffusers import AutoencoderKLHunyuanImage, FlowMatchEulerDiscreteScheduler, HunyuanImagePipeline
from diffusers import HunyuanImageTransformer2DModel as Transformer
from diffusers.guiders import AdaptiveProjectedMixGuidance, ClassifierFreeGuidance, PerturbedAttentionGuidance
from diffusers.guiders.guider_utils import BaseGuidance

from tests.worker.engine.conformance.case import Case
from tests.worker.engine.conformance.parts import t5, tokenizer

TOKENS = 4


def parts(guider: type[BaseGuidance], **settings: Any) -> dict[str, Any]:
    transformer = Transformer(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        num_single_layers=1,
        num_refiner_layers=1,
        text_embed_dim=16,
        text_embed_2_dim=16,
        rope_axes_dim=(4, 4),
    )
    vae = AutoencoderKLHunyuanImage(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(32, 32),
        layers_per_block=1,
        spatial_compression_ratio=2,
        sample_size=16,
        scaling_factor=0.5,
    )
    return {
        "transformer": transformer,
        "vae": vae,
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
        "text_encoder": t5(),
        "tokenizer": tokenizer(),
        "text_encoder_2": t5(),
        "tokenizer_2": tokenizer(),
        "guider": guider(**settings),
        "ocr_guider": guider(**settings),
    }


def embedded(number: int) -> dict[str, Any]:
    """What the encoders would make of prompts: they would make a thousand tokens of each."""
    chance = torch.Generator().manual_seed(200 + number)
    given: dict[str, Any] = {"prompt": None}
    for name in ("prompt_embeds", "prompt_embeds_2", "negative_prompt_embeds", "negative_prompt_embeds_2"):
        given[name] = torch.randn(1, TOKENS, 16, generator=chance)
        given[name.replace("embeds", "embeds_mask")] = torch.ones(1, TOKENS, dtype=torch.long)
    return given


PERTURBED = {"perturbed_guidance_layers": [0], "perturbed_guidance_start": 0.0, "perturbed_guidance_stop": 1.0}
CASES = [
    Case(HunyuanImagePipeline, partial(parts, ClassifierFreeGuidance), embedded),
    Case(HunyuanImagePipeline, partial(parts, AdaptiveProjectedMixGuidance), embedded, variant="projected"),
    Case(HunyuanImagePipeline, partial(parts, PerturbedAttentionGuidance, **PERTURBED), embedded, "perturbed"),
]
