"""Pipelines of pictures that move: a dimension more."""

from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    LTXImageToVideoPipeline,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    SkyReelsV2DiffusionForcingPipeline,
    SkyReelsV2Transformer3DModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import UMT5Config, UMT5EncoderModel

from tests.worker.engine.conformance.case import Case, photo
from tests.worker.engine.conformance.parts import VOCABULARY, t5, tokenizer


def wan() -> dict[str, Any]:
    vae = AutoencoderKLWan(
        base_dim=3,
        z_dim=4,
        dim_mult=[1, 1],
        num_res_blocks=1,
        temperal_downsample=[False],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        text_dim=16,
        freq_dim=16,
        ffn_dim=16,
        num_layers=1,
        rope_max_seq_len=32,
    )
    encoder = UMT5Config(vocab_size=VOCABULARY, d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2)
    return {
        "vae": vae,
        "transformer": transformer,
        "text_encoder": UMT5EncoderModel(encoder),
        "tokenizer": tokenizer(32),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
    }


def ltx() -> dict[str, Any]:
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        num_layers=1,
        caption_channels=16,
    )
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        patch_size=1,
        patch_size_t=1,
    )
    return {
        "transformer": transformer,
        "vae": vae,
        "text_encoder": t5(),
        "tokenizer": tokenizer(32),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def skyreels() -> dict[str, Any]:
    transformer = SkyReelsV2Transformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        text_dim=16,
        freq_dim=16,
        ffn_dim=16,
        num_layers=1,
        rope_max_seq_len=32,
    )
    scheduler = UniPCMultistepScheduler(flow_shift=8.0, use_flow_sigmas=True)
    return wan() | {"transformer": transformer, "scheduler": scheduler}


def in_blocks(number: int) -> dict[str, Any]:
    """Each request sets how many frames the transformer attends to at a time."""
    chance = torch.Generator().manual_seed(200 + number)
    given = {name: torch.randn(1, 16, 16, generator=chance) for name in ("prompt_embeds", "negative_prompt_embeds")}
    return short(number) | given | {"prompt": None, "num_frames": 13, "causal_block_size": 1 + number % 2}


def short(_number: int) -> dict[str, Any]:
    return {"num_frames": 5, "max_sequence_length": 16}


def larger(number: int) -> dict[str, Any]:
    return short(number) | {"height": 32, "width": 32}


CASES = [
    Case(WanPipeline, wan, short),
    Case(LTXPipeline, ltx, larger),
    Case(LTXImageToVideoPipeline, ltx, lambda number: larger(number) | {"image": photo(number, 32)}),
    Case(SkyReelsV2DiffusionForcingPipeline, skyreels, in_blocks, is_exclusive=True),
]
