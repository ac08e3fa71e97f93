"""What is served: `mini`, or a model of full size whose weights are random, which is as fast as a trained one."""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiffusionPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from app.contract.catalogue import Catalogue

WORDS = 77  # tokens of a prompt
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 4,
}


def mini() -> DiffusionPipeline:
    return DiffusionPipeline.from_pretrained(Catalogue.read().find("mini").source)


def sd15() -> DiffusionPipeline:
    """Stable Diffusion 1.5 at 512 x 512: 860 M weights in the denoiser."""
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    text_encoder = CLIPTextModel(_text(768, 12, 12, "quick_gelu"))
    parts = dict.fromkeys(("safety_checker", "feature_extractor"))
    return StableDiffusionPipeline(
        unet=unet.eval(),
        vae=AutoencoderKL(sample_size=512, **VAE).eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=_tokenizer(),
        scheduler=DDIMScheduler(),
        requires_safety_checker=False,
        **parts,
    )


def sdxl() -> DiffusionPipeline:
    """Stable Diffusion XL at 1024 x 1024: 2.6 G weights in the denoiser."""
    unet = UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )
    return StableDiffusionXLPipeline(
        unet=unet.eval(),
        vae=AutoencoderKL(sample_size=1024, scaling_factor=0.13025, force_upcast=False, **VAE).eval(),
        text_encoder=CLIPTextModel(_text(768, 12, 12, "quick_gelu")).eval(),
        text_encoder_2=CLIPTextModelWithProjection(_text(1280, 20, 32, "gelu")).eval(),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        scheduler=DDIMScheduler(),
        add_watermarker=False,
    )


MODELS: dict[str, Callable[[], DiffusionPipeline]] = {"mini": mini, "sd15": sd15, "sdxl": sdxl}


def build(name: str, device: str, dtype: torch.dtype) -> Any:
    """Returns the pipeline on its device; the weights are the same each time."""
    torch.manual_seed(0)
    pipeline = MODELS[name]().to(device, dtype)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _text(width: int, heads: int, layers: int, activation: str) -> CLIPTextConfig:
    return CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        hidden_act=activation,
        projection_dim=width,
        max_position_embeddings=WORDS,
        eos_token_id=2,
    )


def _tokenizer() -> CLIPTokenizer:
    source = Catalogue.read().find("mini").source
    return CLIPTokenizer.from_pretrained(source, subfolder="tokenizer", model_max_length=WORDS)
