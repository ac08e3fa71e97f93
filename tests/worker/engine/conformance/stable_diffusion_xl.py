import inspect
from functools import partial
from typing import Any

from diffusers import (
    ControlNetModel,
    ControlNetUnionModel,
    ControlNetXSAdapter,
    EulerDiscreteScheduler,
    StableDiffusionXLAdapterPipeline,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetInpaintPipeline,
    StableDiffusionXLControlNetPAGImg2ImgPipeline,
    StableDiffusionXLControlNetPAGPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLControlNetUnionImg2ImgPipeline,
    StableDiffusionXLControlNetUnionInpaintPipeline,
    StableDiffusionXLControlNetUnionPipeline,
    StableDiffusionXLControlNetXSPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
    StableDiffusionXLPAGImg2ImgPipeline,
    StableDiffusionXLPAGInpaintPipeline,
    StableDiffusionXLPAGPipeline,
    StableDiffusionXLPipeline,
    T2IAdapter,
)
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from tests.worker.engine.conformance.case import Case, from_picture, inpainting, picture
from tests.worker.engine.conformance.parts import awake, tokenizer
from tests.worker.engine.conformance.stable_diffusion import (
    ATTENTION_FIRST,
    controlled,
    controlled_from_picture,
    controlled_inpainting,
    edited,
    one_by_one,
    remade,
)
from tests.worker.engine.tiny_pipelines import text_config, unet, vae


def parts(numbers_in_time: int = 6, **unet_settings: Any) -> dict[str, Any]:
    time = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8}
    width = 16 + 8 * numbers_in_time
    return {
        "unet": unet(
            32, use_linear_projection=True, projection_class_embeddings_input_dim=width, **time, **unet_settings
        ),
        "vae": vae(),
        "text_encoder": CLIPTextModel(text_config()),
        "text_encoder_2": CLIPTextModelWithProjection(text_config()),
        "tokenizer": tokenizer(),
        "tokenizer_2": tokenizer(),
        "scheduler": EulerDiscreteScheduler(),
    }


def refining() -> dict[str, Any]:
    known = parts(numbers_in_time=5) | {"text_encoder": None, "tokenizer": None, "requires_aesthetics_score": True}
    return remade(known, cross_attention_dim=16)


def control() -> dict[str, Any]:
    known = parts()
    controlnet = ControlNetModel.from_unet(known["unet"], conditioning_embedding_out_channels=(4, 8))
    return known | {"controlnet": awake(controlnet)}


def control_of_many_kinds() -> dict[str, Any]:
    known = parts()
    widths = {"num_trans_channel": 8, "num_trans_head": 2, "num_proj_channel": 8}
    settings = known["unet"].config | widths | {"conditioning_embedding_out_channels": (4, 8)}
    names = inspect.signature(ControlNetUnionModel.__init__).parameters
    controlnet = ControlNetUnionModel(**{name: settings[name] for name in names if name in settings})
    return known | {"controlnet": awake(controlnet)}


def control_by_cross_connections() -> dict[str, Any]:
    known = remade(parts(), layers_per_block=2)
    adapter = ControlNetXSAdapter.from_unet(
        known["unet"], size_ratio=1.0, learn_time_embedding=True, conditioning_embedding_out_channels=(4, 8)
    )
    return known | {"controlnet": awake(adapter)}


def adapted() -> dict[str, Any]:
    known = remade(parts(), **ATTENTION_FIRST)
    return known | {"adapter": T2IAdapter(channels=[8, 16], num_res_blocks=1, downscale_factor=2)}


def of_many_kinds(number: int) -> dict[str, Any]:
    return {"control_image": [picture(number + 10)], "control_mode": [3]}


CASES = [
    Case(StableDiffusionXLPipeline, parts),
    Case(StableDiffusionXLImg2ImgPipeline, parts, from_picture),
    Case(StableDiffusionXLImg2ImgPipeline, refining, from_picture, variant="refiner"),
    Case(StableDiffusionXLInpaintPipeline, parts, inpainting),
    Case(StableDiffusionXLInpaintPipeline, partial(parts, in_channels=9), inpainting, variant="nine-channels"),
    Case(StableDiffusionXLInstructPix2PixPipeline, partial(parts, in_channels=8), edited),
    Case(StableDiffusionXLControlNetPipeline, control, controlled),
    Case(StableDiffusionXLControlNetImg2ImgPipeline, control, controlled_from_picture),
    Case(StableDiffusionXLControlNetInpaintPipeline, control, controlled_inpainting),
    # Its ControlNet attends across the batch: diffusers forgot batch_first.
    Case(
        StableDiffusionXLControlNetUnionPipeline,
        control_of_many_kinds,
        of_many_kinds,
        alone_because="stacked answers differ",
    ),
    Case(
        StableDiffusionXLControlNetUnionImg2ImgPipeline,
        control_of_many_kinds,
        lambda number: from_picture(number) | of_many_kinds(number),
        alone_because="stacked answers differ",
    ),
    Case(
        StableDiffusionXLControlNetUnionInpaintPipeline,
        control_of_many_kinds,
        lambda number: inpainting(number) | of_many_kinds(number),
        alone_because="stacked answers differ",
    ),
    Case(StableDiffusionXLControlNetXSPipeline, control_by_cross_connections, controlled),
    Case(StableDiffusionXLAdapterPipeline, adapted, controlled),
    Case(StableDiffusionXLPAGPipeline, parts, one_by_one(), is_exclusive=True),
    Case(StableDiffusionXLPAGImg2ImgPipeline, parts, one_by_one(from_picture), is_exclusive=True),
    Case(StableDiffusionXLPAGInpaintPipeline, parts, one_by_one(inpainting), is_exclusive=True),
    Case(StableDiffusionXLControlNetPAGPipeline, control, one_by_one(controlled), is_exclusive=True),
    Case(
        StableDiffusionXLControlNetPAGImg2ImgPipeline, control, one_by_one(controlled_from_picture), is_exclusive=True
    ),
]
