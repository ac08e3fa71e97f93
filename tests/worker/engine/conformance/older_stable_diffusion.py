"""Pipelines for SD 1 that diffusers keeps for those who know them; most call the UNet in their own way or change it."""

from typing import Any

from diffusers import (
    StableDiffusionGLIGENPipeline,
    StableDiffusionPanoramaPipeline,
    StableDiffusionSAGPipeline,
)

from tests.worker.engine.conformance.case import Case
from tests.worker.engine.conformance.parts import awake
from tests.worker.engine.conformance.stable_diffusion import parts

BOXES = [[0.1, 0.2, 0.5, 0.7], [0.3, 0.1, 0.9, 0.8]]


def gated() -> dict[str, Any]:
    known = parts(attention_type="gated")
    awake(known["unet"])
    for name, gate in known["unet"].named_parameters():
        if name.endswith(("alpha_attn", "alpha_dense")):
            gate.data.fill_(0.7)
    return known


def grounded(number: int) -> dict[str, Any]:
    """Every request switches the grounding off for all modules after another share of its steps."""
    return {
        "gligen_phrases": ["a cat", "a dog"][: 1 + number % 2],
        "gligen_boxes": BOXES[: 1 + number % 2],
        "gligen_scheduled_sampling_beta": (1.0, 0.4, 0.3)[number],
    }


def in_views(number: int) -> dict[str, Any]:
    """Pictures wider than the views that each is denoised in, some at a time."""
    return {"height": 16, "width": 144, "view_batch_size": 1 + number % 2, "circular_padding": number == 2}


CASES = [
    Case(StableDiffusionGLIGENPipeline, gated, grounded, is_exclusive=True),
    Case(StableDiffusionPanoramaPipeline, parts, in_views),
    Case(StableDiffusionSAGPipeline, parts, lambda number: {"sag_scale": (0.75, 0.0, 1.0)[number]}, is_exclusive=True),
]
