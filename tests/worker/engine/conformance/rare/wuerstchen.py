from typing import Any

import torch
from diffusers import (
    DDPMWuerstchenScheduler,
    WuerstchenCombinedPipeline,
    WuerstchenDecoderPipeline,
    WuerstchenPriorPipeline,
)
from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel, WuerstchenDiffNeXt, WuerstchenPrior
from transformers import CLIPTextModel

from tests.worker.engine.conformance.case import STEPS, Case
from tests.worker.engine.conformance.parts import awake, tokenizer
from tests.worker.engine.tiny_pipelines import text_config


def reading() -> dict[str, Any]:
    encoder = CLIPTextModel(text_config())
    return {"tokenizer": tokenizer(), "text_encoder": encoder, "scheduler": DDPMWuerstchenScheduler()}


def first() -> dict[str, Any]:
    return reading() | {"prior": awake(WuerstchenPrior(c_in=2, c=8, depth=2, c_cond=16, c_r=8, nhead=2))}


def last() -> dict[str, Any]:
    decoder = WuerstchenDiffNeXt(
        c_cond=16,
        c_hidden=[320],
        nhead=[-1],
        blocks=[4],
        level_config=["CT"],
        clip_embd=16,
        inject_effnet=[False],
    )
    return reading() | {"decoder": awake(decoder), "vqgan": PaellaVQModel(bottleneck_blocks=1, num_vq_embeddings=2)}


def both() -> dict[str, Any]:
    return last() | {f"prior_{name}": part for name, part in first().items()}


def embedded(number: int) -> dict[str, Any]:
    return {"image_embeddings": torch.full((1, 4, 4, 4), 0.2 + number / 5), "guidance_scale": (0.0, 2.0, 1.5)[number]}


def in_steps(number: int) -> dict[str, Any]:
    return {
        "height": 128,
        "width": 128,
        "prior_num_inference_steps": STEPS[-number],
        "prior_guidance_scale": 4.0 + number,
        "decoder_guidance_scale": (0.0, 2.0, 1.5)[number],
    }


def guided(number: int) -> dict[str, Any]:
    return {"height": 96, "width": 96, "guidance_scale": 4.0 + number}


CASES = [
    Case(WuerstchenPriorPipeline, first, guided),
    Case(WuerstchenDecoderPipeline, lambda: last() | {"latent_dim_scale": 4.0}, embedded),
    Case(WuerstchenCombinedPipeline, both, in_steps),
]
