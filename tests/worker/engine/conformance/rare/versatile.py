"""Pipelines of one model for pictures and texts."""

from typing import Any

from diffusers import (
    DDIMScheduler,
    UniDiffuserModel,
    UniDiffuserPipeline,
    UniDiffuserTextDecoder,
    VersatileDiffusionImageVariationPipeline,
    VersatileDiffusionTextToImagePipeline,
)
from diffusers.pipelines.deprecated.versatile_diffusion.modeling_text_unet import UNetFlatConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionModelWithProjection

from tests.worker.engine.conformance.case import Case, photo
from tests.worker.engine.conformance.parts import VOCABULARY, tokenizer
from tests.worker.engine.conformance.rare.seeing import looking, reading
from tests.worker.engine.tiny_pipelines import text_config, unet, vae


def from_text() -> dict[str, Any]:
    flat = UNetFlatConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlockFlat", "CrossAttnDownBlockFlat"),
        mid_block_type="UNetMidBlockFlatCrossAttn",
        up_block_types=("CrossAttnUpBlockFlat", "UpBlockFlat"),
        cross_attention_dim=16,
        norm_num_groups=4,
        attention_head_dim=4,
    )
    return {
        "tokenizer": tokenizer(),
        "text_encoder": CLIPTextModelWithProjection(text_config()),
        "image_unet": unet(cross_attention_dim=16),
        "text_unet": flat,
        "vae": vae(),
        "scheduler": DDIMScheduler(),
    }


def from_a_picture() -> dict[str, Any]:
    known = {name: part for name, part in from_text().items() if name in ("image_unet", "vae", "scheduler")}
    encoder = CLIPVisionModelWithProjection(looking())
    return known | {"image_feature_extractor": reading(), "image_encoder": encoder}


def any_to_any() -> dict[str, Any]:
    model = UniDiffuserModel(
        text_dim=16,
        clip_img_dim=16,
        num_text_tokens=16,
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        norm_num_groups=4,
        sample_size=8,
        patch_size=2,
        activation_fn="gelu",
        num_embeds_ada_norm=1000,
        norm_type="layer_norm",
        block_type="unidiffuser",
        pre_layer_norm=False,
        use_patch_pos_embed=False,
        ff_final_dropout=True,
        use_data_type_embedding=True,
    )
    sizes = {"prefix_length": 16, "prefix_inner_dim": 16, "prefix_hidden_dim": 16, "n_positions": 128}
    return {
        "vae": vae(sample_size=16),
        "text_encoder": CLIPTextModel(text_config()),
        "image_encoder": CLIPVisionModelWithProjection(looking()),
        "clip_image_processor": reading(),
        "clip_tokenizer": tokenizer(),
        "text_decoder": UniDiffuserTextDecoder(**sizes, vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2),
        "text_tokenizer": tokenizer(),
        "unet": model,
        "scheduler": DDIMScheduler(clip_sample=False),
    }


CASES = [
    Case(UniDiffuserPipeline, any_to_any, lambda number: {"guidance_scale": 2.0 + number}),
    Case(VersatileDiffusionTextToImagePipeline, from_text),
    Case(VersatileDiffusionImageVariationPipeline, from_a_picture, lambda number: {"image": photo(number, 32)}),
]
