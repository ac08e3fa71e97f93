from typing import Any

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    ZImageControlNetInpaintPipeline,
    ZImageControlNetModel,
    ZImageControlNetPipeline,
    ZImageImg2ImgPipeline,
    ZImageInpaintPipeline,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import Qwen3Config, Qwen3Model

from tests.worker.engine.conformance.case import Case, from_picture, inpainting, mask, picture
from tests.worker.engine.conformance.parts import LANGUAGE, awake, tokenizer
from tests.worker.engine.tiny_pipelines import vae


def parts() -> dict[str, Any]:
    transformer = ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=4,
        dim=16,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=1,
        n_kv_heads=1,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    with torch.no_grad():  # they begin as whatever the memory held
        transformer.x_pad_token.fill_(1)
        transformer.cap_pad_token.fill_(1)
    return {
        "transformer": transformer,
        "vae": vae(shift_factor=0.1),
        "text_encoder": Qwen3Model(Qwen3Config(**LANGUAGE)),
        "tokenizer": tokenizer(64),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def control(channels: int) -> dict[str, Any]:
    """The pipeline hands the layers that it shares with the transformer to the ControlNet."""
    controlnet = ZImageControlNetModel(
        control_layers_places=[0],
        control_refiner_layers_places=[0],
        control_in_dim=channels,
        dim=16,
        n_refiner_layers=1,
        n_heads=1,
        n_kv_heads=1,
    )
    return parts() | {"controlnet": awake(controlnet)}


def controlled(number: int) -> dict[str, Any]:
    return short(number) | {"control_image": picture(number + 10)}


def controlled_inpainting(number: int) -> dict[str, Any]:
    return controlled(number) | {"image": picture(number), "mask_image": mask()}


def short(_number: int) -> dict[str, Any]:
    return {"max_sequence_length": 64}


CASES = [
    Case(ZImagePipeline, parts, short),
    Case(ZImageImg2ImgPipeline, parts, lambda number: short(number) | from_picture(number)),
    Case(ZImageInpaintPipeline, parts, lambda number: short(number) | inpainting(number)),
    Case(ZImageControlNetPipeline, lambda: control(4), controlled),
    Case(ZImageControlNetInpaintPipeline, lambda: control(9), controlled_inpainting),
]
