"""Families whose prompts a language model reads."""

from typing import Any

from diffusers import (
    AutoencoderKLFlux2,
    AutoencoderKLHunyuanImageRefiner,
    ErnieImagePipeline,
    ErnieImageTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    HunyuanImageRefinerPipeline,
    HunyuanImageTransformer2DModel,
    Ideogram4Pipeline,
    Ideogram4Transformer2DModel,
    LongCatImagePipeline,
    LongCatImageTransformer2DModel,
)
from transformers import Qwen3Config, Qwen3Model, Qwen3VLConfig, Qwen3VLModel

from tests.worker.engine.conformance import qwen_image
from tests.worker.engine.conformance.case import STEPS, Case, photo
from tests.worker.engine.conformance.parts import LANGUAGE, awake, tokenizer
from tests.worker.engine.tiny_pipelines import vae


def in_patches() -> AutoencoderKLFlux2:
    return AutoencoderKLFlux2(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
    )


def ernie() -> dict[str, Any]:
    transformer = ErnieImageTransformer2DModel(
        hidden_size=32,
        num_attention_heads=2,
        num_layers=1,
        ffn_hidden_size=32,
        in_channels=16,
        out_channels=16,
        text_in_dim=16,
        rope_axes_dim=(4, 6, 6),
    )
    return {
        "transformer": awake(transformer),
        "vae": in_patches(),
        "text_encoder": Qwen3Model(Qwen3Config(**LANGUAGE)),
        "tokenizer": tokenizer(64),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def ideogram() -> dict[str, Any]:
    """Reads thirteen of the encoder's 36 layers, and has a transformer more for what is not asked for."""
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}
    text = {**LANGUAGE, "num_hidden_layers": 36, "rope_scaling": rope, "rope_parameters": rope}
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    reader = Qwen3VLConfig(text_config=text, vision_config={**vision, "deepstack_visual_indexes": [0]})
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "vae": in_patches(),
        "text_encoder": Qwen3VLModel(reader),
        "tokenizer": tokenizer(64),
        "transformer": ideogram_transformer(),
        "unconditional_transformer": ideogram_transformer(),
    }


def ideogram_transformer() -> Ideogram4Transformer2DModel:
    return Ideogram4Transformer2DModel(
        in_channels=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        intermediate_size=16,
        adaln_dim=16,
        llm_features_dim=16 * 13,
        rope_theta=10000,
        mrope_section=(2, 1, 1),
    )


def longcat() -> dict[str, Any]:
    transformer = LongCatImageTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=[4, 4, 8],
    )
    known = qwen_image.editing()
    known["text_processor"] = known.pop("processor")
    return known | {"transformer": transformer, "vae": vae(shift_factor=0.1, latent_channels=16)}


def refining() -> dict[str, Any]:
    transformer = HunyuanImageTransformer2DModel(
        in_channels=8,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=12,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        patch_size=(1, 1, 1),
        guidance_embeds=True,
        text_embed_dim=16,
        rope_axes_dim=(4, 4, 4),
    )
    autoencoder = AutoencoderKLHunyuanImageRefiner(
        latent_channels=2,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        spatial_compression_ratio=4,
        temporal_compression_ratio=1,
    )
    return qwen_image.parts() | {"transformer": transformer, "vae": autoencoder}


def wished(number: int) -> dict[str, Any]:
    guided = {"guidance_schedule": None, "guidance_scale": 2.0 + number}
    return guided | {"height": 32, "width": 32, "max_sequence_length": 64}


def refined(number: int) -> dict[str, Any]:
    return {"image": photo(number, 16), "distilled_guidance_scale": 2.0 + number, "num_inference_steps": STEPS[number]}


CASES = [
    Case(ErnieImagePipeline, ernie, lambda _number: {"height": 32, "width": 32, "use_pe": False}),
    Case(HunyuanImageRefinerPipeline, refining, refined),
    Case(Ideogram4Pipeline, ideogram, wished),
    Case(LongCatImagePipeline, longcat, lambda _number: {"enable_prompt_rewrite": False}),
]
