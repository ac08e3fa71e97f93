"""Pipelines whose pictures are tokens until the last step."""

from functools import partial
from typing import Any

from diffusers import (
    AmusedImg2ImgPipeline,
    AmusedInpaintPipeline,
    AmusedPipeline,
    AmusedScheduler,
    Transformer2DModel,
    UVit2DModel,
    VQDiffusionPipeline,
    VQDiffusionScheduler,
    VQModel,
)
from diffusers.pipelines.deprecated.vq_diffusion.pipeline_vq_diffusion import LearnedClassifierFreeSamplingEmbeddings
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from tests.worker.engine.conformance.case import Case, photo
from tests.worker.engine.conformance.parts import tokenizer
from tests.worker.engine.tiny_pipelines import text_config

TOKENS = 32


def book(**settings: Any) -> VQModel:
    return VQModel(norm_num_groups=4, num_vq_embeddings=TOKENS, **settings)


def amused() -> dict[str, Any]:
    transformer = UVit2DModel(
        hidden_size=16,
        cond_embed_dim=16,
        micro_cond_encode_dim=2,
        micro_cond_embed_dim=10,
        encoder_hidden_size=16,
        vocab_size=TOKENS,
        codebook_size=TOKENS,
        in_channels=16,
        block_out_channels=16,
        num_res_blocks=1,
        downsample=True,
        upsample=True,
        block_num_heads=1,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=32,
    )
    return {
        "transformer": transformer,
        "vqvae": book(
            block_out_channels=(8,), latent_channels=8, mid_block_add_attention=False, lookup_from_codebook=True
        ),
        "text_encoder": CLIPTextModelWithProjection(text_config()),
        "tokenizer": tokenizer(),
        "scheduler": AmusedScheduler(mask_token_id=TOKENS - 1),
    }


def quantized() -> dict[str, Any]:
    transformer = Transformer2DModel(
        attention_bias=True,
        cross_attention_dim=16,
        attention_head_dim=12,
        num_attention_heads=1,
        num_vector_embeds=TOKENS,
        num_embeds_ada_norm=TOKENS,
        norm_num_groups=4,
        sample_size=4,
        activation_fn="geglu-approximate",
    )
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    nothing = LearnedClassifierFreeSamplingEmbeddings(learnable=False, hidden_size=16, length=16)
    return {
        "vqvae": book(block_out_channels=(8, 8), latent_channels=3, vq_embed_dim=3, **blocks),
        "text_encoder": CLIPTextModel(text_config()),
        "tokenizer": tokenizer(),
        "transformer": transformer,
        "scheduler": VQDiffusionScheduler(TOKENS),
        "learned_classifier_free_sampling_embeddings": nothing,
    }


def over(number: int, **more: Any) -> dict[str, Any]:
    return {"image": photo(number, 16), "strength": 0.9, "guidance_scale": 2.0 + number} | more


CASES = [
    Case(AmusedPipeline, amused),
    Case(AmusedImg2ImgPipeline, amused, over),
    Case(AmusedInpaintPipeline, amused, partial(over, mask_image=photo(7, 16).convert("L"))),
    Case(
        VQDiffusionPipeline,
        quantized,
        lambda number: {"truncation_rate": (1.0, 0.9, 0.8)[number]},
        alone_because="fails stacked",
    ),
]
