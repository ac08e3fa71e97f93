from typing import Any

from diffusers import (
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinInpaintPipeline,
    Flux2KleinKVPipeline,
    Flux2KleinPipeline,
    Flux2Pipeline,
    Flux2Transformer2DModel,
)
from transformers import Mistral3Config, Mistral3ForConditionalGeneration, Qwen3Config, Qwen3ForCausalLM

from tests.worker.engine.conformance.case import Case, inpainting, photo
from tests.worker.engine.conformance.parts import LANGUAGE, VISION, tokenizer


def parts(guidance_embeds: bool = False) -> dict[str, Any]:
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guidance_embeds,
    )
    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
    )
    return {
        "transformer": transformer,
        "vae": vae,
        "text_encoder": Qwen3ForCausalLM(Qwen3Config(**LANGUAGE)),
        "tokenizer": tokenizer(64),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def large() -> dict[str, Any]:
    """FLUX.2-dev's text encoder sees pictures too, and its transformer takes the guidance as an argument."""
    config = Mistral3Config(
        text_config={"model_type": "mistral", **LANGUAGE},
        vision_config={"model_type": "pixtral", **VISION, "image_size": 28, "patch_size": 14},
    )
    return parts(guidance_embeds=True) | {"text_encoder": Mistral3ForConditionalGeneration(config)}


def short(_number: int) -> dict[str, Any]:
    return {"max_sequence_length": 64, "text_encoder_out_layers": (1,)}


def edited(number: int) -> dict[str, Any]:
    return short(number) | {"image": photo(number)}


CASES = [
    Case(Flux2KleinPipeline, parts, short),
    Case(Flux2KleinPipeline, parts, edited, variant="edit"),
    Case(Flux2KleinInpaintPipeline, parts, lambda number: short(number) | inpainting(number)),
    Case(Flux2KleinKVPipeline, parts, edited, alone_because="Flux2KVCache"),
    Case(Flux2Pipeline, large, short),
    Case(Flux2Pipeline, large, edited, variant="edit"),
]
