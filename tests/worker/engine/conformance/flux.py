from functools import partial
from typing import Any

from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FlowMatchLCMScheduler,
    FluxControlImg2ImgPipeline,
    FluxControlInpaintPipeline,
    FluxControlNetImg2ImgPipeline,
    FluxControlNetInpaintPipeline,
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxControlPipeline,
    FluxFillPipeline,
    FluxImg2ImgPipeline,
    FluxInpaintPipeline,
    FluxKontextInpaintPipeline,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
)
from transformers import CLIPTextModel

from tests.worker.engine.conformance.case import Case, from_picture, inpainting, mask, picture
from tests.worker.engine.conformance.parts import awake, t5, tokenizer
from tests.worker.engine.tiny_pipelines import text_config, vae

SIZES = {
    "patch_size": 1,
    "in_channels": 16,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 1,
    "joint_attention_dim": 16,
    "pooled_projection_dim": 16,
    "axes_dims_rope": (4, 4, 8),
}


def parts(**transformer_settings: Any) -> dict[str, Any]:
    return {
        "transformer": FluxTransformer2DModel(**SIZES | transformer_settings),
        "vae": vae(shift_factor=0.1),
        "text_encoder": CLIPTextModel(text_config()),
        "text_encoder_2": t5(),
        "tokenizer": tokenizer(),
        "tokenizer_2": tokenizer(),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def guided() -> dict[str, Any]:
    """FLUX.1-dev's: the guidance is an argument of the transformer."""
    return parts(guidance_embeds=True)


def doubled() -> dict[str, Any]:
    """Takes a control picture's latents beside the picture's own."""
    return parts(in_channels=32, out_channels=16)


def filling() -> dict[str, Any]:
    """Takes a masked picture's latents, and four mask values to a latent pixel, beside the picture's own."""
    return parts(in_channels=48, out_channels=16, guidance_embeds=True)


def control(**controlnet_settings: Any) -> dict[str, Any]:
    return guided() | {"controlnet": awake(FluxControlNetModel(**SIZES | controlnet_settings))}


def short(number: int) -> dict[str, Any]:
    return {"max_sequence_length": 16, "guidance_scale": 2.0 + number}


def two_pass(number: int) -> dict[str, Any]:
    """True guidance, in a second call a step."""
    return short(number) | {"negative_prompt": "a mist", "true_cfg_scale": [3.0, 1.0, 2.0][number]}


def with_picture(number: int) -> dict[str, Any]:
    return short(number) | from_picture(number)


def with_mask(number: int) -> dict[str, Any]:
    return short(number) | inpainting(number)


def controlled(number: int) -> dict[str, Any]:
    return short(number) | {"control_image": picture(number + 10)}


def edited(number: int) -> dict[str, Any]:
    return short(number) | {"image": picture(number), "max_area": 256, "_auto_resize": False}


def partly_edited(number: int) -> dict[str, Any]:
    return edited(number) | {"mask_image": mask(), "strength": 0.8}


def filled(number: int) -> dict[str, Any]:
    return short(number) | {"image": picture(number), "mask_image": mask()}


CASES = [
    Case(FluxPipeline, guided, short),
    Case(FluxPipeline, parts, two_pass, variant="schnell"),
    Case(FluxPipeline, lambda: parts() | {"scheduler": FlowMatchLCMScheduler()}, short, variant="drawing"),
    Case(FluxImg2ImgPipeline, guided, with_picture),
    Case(FluxInpaintPipeline, guided, with_mask),
    Case(FluxFillPipeline, filling, filled),
    Case(FluxKontextPipeline, guided, edited),
    Case(FluxKontextInpaintPipeline, guided, partly_edited),
    Case(FluxControlPipeline, doubled, controlled),
    Case(FluxControlImg2ImgPipeline, doubled, lambda number: with_picture(number) | controlled(number)),
    Case(FluxControlInpaintPipeline, doubled, lambda number: with_mask(number) | controlled(number)),
    Case(FluxControlNetPipeline, control, controlled),
    Case(
        FluxControlNetPipeline,
        partial(control, num_mode=3, guidance_embeds=True),
        lambda number: controlled(number) | {"control_mode": number},
        variant="union",
    ),
    Case(FluxControlNetImg2ImgPipeline, control, lambda number: with_picture(number) | controlled(number)),
    Case(FluxControlNetInpaintPipeline, control, lambda number: with_mask(number) | controlled(number)),
]
