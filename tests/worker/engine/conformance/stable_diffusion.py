from functools import partial
from typing import Any

from diffusers import (
    ControlNetModel,
    ControlNetXSAdapter,
    DDIMScheduler,
    DDPMScheduler,
    LatentConsistencyModelImg2ImgPipeline,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    PNDMScheduler,
    StableDiffusionAdapterPipeline,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionControlNetPAGInpaintPipeline,
    StableDiffusionControlNetPAGPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionControlNetXSPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPAGImg2ImgPipeline,
    StableDiffusionPAGInpaintPipeline,
    StableDiffusionPAGPipeline,
    StableDiffusionPipeline,
    StableDiffusionUpscalePipeline,
    T2IAdapter,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel

from tests.worker.engine.conformance.case import Case, from_picture, inpainting, nothing_more, picture
from tests.worker.engine.conformance.parts import awake, tokenizer
from tests.worker.engine.tiny_pipelines import text_config, unet, vae

ATTENTION_FIRST = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}


def parts(**unet_settings: Any) -> dict[str, Any]:
    return {
        "unet": unet(cross_attention_dim=16, **unet_settings),
        "vae": vae(),
        "text_encoder": CLIPTextModel(text_config()),
        "tokenizer": tokenizer(),
        "scheduler": DDIMScheduler(),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


def predicting_velocity() -> dict[str, Any]:
    return parts(use_linear_projection=True) | {"scheduler": PNDMScheduler(prediction_type="v_prediction")}


def without_steps_between() -> dict[str, Any]:
    return parts(time_cond_proj_dim=8) | {"scheduler": LCMScheduler()}


def control(**unet_settings: Any) -> dict[str, Any]:
    known = parts(**unet_settings)
    embedding = {"conditioning_embedding_out_channels": (4, 8)}
    return known | {"controlnet": awake(ControlNetModel.from_unet(known["unet"], **embedding))}


def remade(known: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Returns the parts with another UNet: the same settings but for the changes."""
    return known | {"unet": UNet2DConditionModel.from_config({**known["unet"].config, **changes})}


def control_by_cross_connections() -> dict[str, Any]:
    known = remade(parts(), layers_per_block=2)
    adapter = ControlNetXSAdapter.from_unet(
        known["unet"], size_ratio=1.0, learn_time_embedding=True, conditioning_embedding_out_channels=(4, 8)
    )
    return known | {"controlnet": awake(adapter)}


def adapted() -> dict[str, Any]:
    known = remade(parts(), **ATTENTION_FIRST)
    return known | {"adapter": T2IAdapter(channels=[8, 16], num_res_blocks=1, downscale_factor=2)}


def upscaling() -> dict[str, Any]:
    known = parts(in_channels=7, num_class_embeds=20) | {"low_res_scheduler": DDPMScheduler(), "max_noise_level": 20}
    del known["requires_safety_checker"]
    return known


def controlled(number: int) -> dict[str, Any]:
    return {"image": picture(number + 10)}


def controlled_from_picture(number: int) -> dict[str, Any]:
    return from_picture(number) | {"control_image": picture(number + 10)}


def controlled_inpainting(number: int) -> dict[str, Any]:
    return inpainting(number) | {"control_image": picture(number + 10)}


def edited(number: int) -> dict[str, Any]:
    return {"image": picture(number), "image_guidance_scale": 1.5, "guidance_scale": 4.0 + number}


def one_by_one(more: Any = nothing_more) -> Any:
    """The perturbed-attention pipelines, with the perturbation in all three requests."""
    return lambda number: more(number) | {"pag_scale": 2.0 + number}


CASES = [
    Case(StableDiffusionPipeline, parts),
    Case(StableDiffusionPipeline, predicting_velocity, variant="velocity"),
    Case(StableDiffusionImg2ImgPipeline, parts, from_picture),
    Case(StableDiffusionInpaintPipeline, parts, inpainting),
    Case(StableDiffusionInpaintPipeline, partial(parts, in_channels=9), inpainting, variant="nine-channels"),
    Case(StableDiffusionInstructPix2PixPipeline, partial(parts, in_channels=8), edited),
    Case(StableDiffusionUpscalePipeline, upscaling, lambda number: {"image": picture(number, 8), "noise_level": 5}),
    Case(StableDiffusionControlNetPipeline, control, controlled),
    Case(StableDiffusionControlNetImg2ImgPipeline, control, controlled_from_picture),
    Case(StableDiffusionControlNetInpaintPipeline, control, controlled_inpainting),
    Case(StableDiffusionControlNetXSPipeline, control_by_cross_connections, controlled),
    Case(StableDiffusionAdapterPipeline, adapted, controlled),
    Case(LatentConsistencyModelPipeline, without_steps_between),
    Case(LatentConsistencyModelImg2ImgPipeline, without_steps_between, from_picture),
    Case(StableDiffusionPAGPipeline, parts, one_by_one(), is_exclusive=True),
    Case(StableDiffusionPAGImg2ImgPipeline, parts, one_by_one(from_picture), is_exclusive=True),
    Case(StableDiffusionPAGInpaintPipeline, parts, one_by_one(inpainting), is_exclusive=True),
    Case(StableDiffusionControlNetPAGPipeline, control, one_by_one(controlled), is_exclusive=True),
    Case(StableDiffusionControlNetPAGInpaintPipeline, control, one_by_one(controlled_inpainting), is_exclusive=True),
]
