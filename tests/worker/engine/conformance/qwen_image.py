import re
from typing import Any

from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageControlNetModel,
    QwenImageControlNetPipeline,
    QwenImageEditInpaintPipeline,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImageImg2ImgPipeline,
    QwenImageInpaintPipeline,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
)
from transformers import BatchFeature, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2VLImageProcessor

from tests.worker.engine.conformance.case import Case, from_picture, inpainting, mask, photo, picture
from tests.worker.engine.conformance.parts import LANGUAGE, awake, tokenizer

SIZES = {
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 4,
    "num_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 1,
    "joint_attention_dim": 16,
    "axes_dims_rope": (8, 4, 4),
}


class Reader:
    """Reads text with pictures in it, as Qwen2VLProcessor does, which cannot be made without torchvision."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.image_processor = Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=56 * 56)

    def __call__(self, text: list[str], images: Any, padding: bool, return_tensors: str) -> BatchFeature:
        seen = self.image_processor(images=images, return_tensors=return_tensors)
        counts = iter((seen["image_grid_thw"].prod(-1) // self.image_processor.merge_size**2).tolist())
        written = [re.sub(r"<\|image_pad\|>", lambda mark: mark.group() * next(counts), one) for one in text]
        return BatchFeature({**self.tokenizer(written, padding=padding, return_tensors=return_tensors), **seen})


def parts() -> dict[str, Any]:
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 1],
        num_res_blocks=1,
        temperal_downsample=[False],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    return {
        "transformer": QwenImageTransformer2DModel(**SIZES),
        "vae": vae,
        "text_encoder": Qwen2_5_VLForConditionalGeneration(seeing()),
        "tokenizer": tokenizer(2048),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def seeing() -> Qwen2_5_VLConfig:
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    tokens = tokenizer()
    return Qwen2_5_VLConfig(
        text_config={**LANGUAGE, "rope_scaling": rope, "rope_parameters": rope},
        vision_config=vision,
        image_token_id=tokens.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokens.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokens.convert_tokens_to_ids("<|vision_start|>"),
    )


def editing() -> dict[str, Any]:
    known = parts()
    return known | {"processor": Reader(known["tokenizer"])}


def control() -> dict[str, Any]:
    known = parts()
    controlnet = QwenImageControlNetModel(**SIZES)
    return known | {"controlnet": awake(controlnet)}


def guided(number: int) -> dict[str, Any]:
    """True guidance, in a second call a step, in two of three requests."""
    return {"negative_prompt": "a mist", "true_cfg_scale": [3.0, 1.0, 2.0][number]}


def edited(number: int) -> dict[str, Any]:
    return guided(number) | {"image": photo(number), "height": 64, "width": 64}


CASES = [
    Case(QwenImagePipeline, parts, guided),
    Case(QwenImageImg2ImgPipeline, parts, lambda number: guided(number) | from_picture(number)),
    Case(QwenImageInpaintPipeline, parts, lambda number: guided(number) | inpainting(number)),
    Case(QwenImageControlNetPipeline, control, lambda number: guided(number) | {"control_image": picture(number)}),
    Case(QwenImageEditPipeline, editing, edited),
    Case(QwenImageEditPlusPipeline, editing, edited),
    Case(
        QwenImageEditInpaintPipeline, editing, lambda number: edited(number) | {"mask_image": mask(64), "strength": 0.8}
    ),
]
