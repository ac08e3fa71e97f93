from typing import Any

from diffusers import (
    DPMSolverMultistepScheduler,
    PixArtAlphaPipeline,
    PixArtSigmaPAGPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
)

from tests.worker.engine.conformance.case import Case
from tests.worker.engine.conformance.parts import t5, tokenizer
from tests.worker.engine.tiny_pipelines import vae


def parts(sample_size: int = 8, **transformer_settings: Any) -> dict[str, Any]:
    transformer = PixArtTransformer2DModel(
        sample_size=sample_size,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=16,
        in_channels=4,
        out_channels=8,
        cross_attention_dim=24,
        **transformer_settings,
    )
    return {
        "transformer": transformer,
        "vae": vae(),
        "text_encoder": t5(),
        "tokenizer": tokenizer(64),
        "scheduler": DPMSolverMultistepScheduler(),
    }


def conditioned() -> dict[str, Any]:
    """Alpha's large one: it is told the size and the aspect ratio."""
    return parts(sample_size=128, use_additional_conditions=True)


def short(_number: int) -> dict[str, Any]:
    return {"max_sequence_length": 16, "use_resolution_binning": False}


CASES = [
    Case(PixArtAlphaPipeline, parts, short),
    Case(PixArtAlphaPipeline, conditioned, short, variant="sizes"),
    Case(PixArtSigmaPipeline, parts, short),
    Case(
        PixArtSigmaPAGPipeline,
        lambda: parts() | {"pag_applied_layers": "blocks.0"},
        lambda number: short(number) | {"pag_scale": 2.0},
        is_exclusive=True,
    ),
]
