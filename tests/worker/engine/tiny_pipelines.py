"""Real diffusers pipelines of a few thousand random weights."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def stable_diffusion(folder: Path) -> StableDiffusionPipeline:
    """A text-to-image pipeline for pictures of 16 x 16 pixels."""
    torch.manual_seed(0)
    return quiet(
        StableDiffusionPipeline(
            unet=unet(cross_attention_dim=16),
            vae=vae(),
            text_encoder=CLIPTextModel(text_config()).eval(),
            tokenizer=tokenizer(folder),
            scheduler=DDIMScheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def stable_diffusion_xl(folder: Path) -> StableDiffusionXLPipeline:
    torch.manual_seed(0)
    extra = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8, "use_linear_projection": True}
    return quiet(
        StableDiffusionXLPipeline(
            unet=unet(cross_attention_dim=32, projection_class_embeddings_input_dim=64, **extra),
            vae=vae(),
            text_encoder=CLIPTextModel(text_config()).eval(),
            text_encoder_2=CLIPTextModelWithProjection(text_config()).eval(),
            tokenizer=tokenizer(folder),
            tokenizer_2=tokenizer(folder),
            scheduler=EulerDiscreteScheduler(),
            add_watermarker=False,
        )
    )


def flux() -> FluxPipeline:
    """A pipeline without text encoders: its prompts are given as embeddings."""
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    parts = dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"))
    scheduler = FlowMatchEulerDiscreteScheduler()
    return quiet(FluxPipeline(transformer=transformer.eval(), vae=vae(shift_factor=0.0), scheduler=scheduler, **parts))


def over_the_same_weights(pipeline: Any, kind: type | None = None, scheduler: type | None = None) -> Any:
    """Returns another pipeline over a pipeline's modules: of another class, with another scheduler."""
    parts = dict(pipeline.components)
    if scheduler:
        parts["scheduler"] = scheduler.from_config(pipeline.scheduler.config)  # type: ignore[attr-defined]
    return quiet((kind or type(pipeline))(**parts, **pipeline.parameters))


def quiet(pipeline: Any) -> Any:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def unet(cross_attention_dim: int, **more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=cross_attention_dim,
        norm_num_groups=4,
        attention_head_dim=4,
        **more,
    ).eval()


def vae(**more: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        norm_num_groups=4,
        **more,
    ).eval()


def text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=54,
        hidden_size=16,
        intermediate_size=32,
        num_attention_heads=2,
        num_hidden_layers=2,
        max_position_embeddings=16,
        projection_dim=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def tokenizer(folder: Path) -> CLIPTokenizer:
    """Knows the small letters, each within a word and at its end."""
    tokens = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(letter + "</w>" for letter in LETTERS)]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16)
