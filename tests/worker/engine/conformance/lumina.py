from typing import Any

from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    LuminaNextDiT2DModel,
    LuminaPipeline,
)
from transformers import Gemma2Config, Gemma2Model, GemmaConfig, GemmaForCausalLM

from tests.worker.engine.conformance.case import Case
from tests.worker.engine.conformance.parts import LANGUAGE, tokenizer
from tests.worker.engine.tiny_pipelines import vae

SIZES = {
    "sample_size": 4,
    "patch_size": 2,
    "in_channels": 4,
    "hidden_size": 8,
    "num_layers": 1,
    "num_attention_heads": 1,
    "num_kv_heads": 1,
    "multiple_of": 16,
    "scaling_factor": 1.0,
}


def second() -> dict[str, Any]:
    return {
        "transformer": Lumina2Transformer2DModel(**SIZES, axes_dim_rope=(4, 2, 2), cap_feat_dim=16),
        "vae": vae(shift_factor=0.1),
        "text_encoder": Gemma2Model(Gemma2Config(**LANGUAGE)),
        "tokenizer": tokenizer(256),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def first() -> dict[str, Any]:
    return second() | {
        "transformer": LuminaNextDiT2DModel(**SIZES, learn_sigma=True, qk_norm=True, cross_attention_dim=16),
        "text_encoder": GemmaForCausalLM(GemmaConfig(**LANGUAGE)),
    }


def short(_number: int) -> dict[str, Any]:
    return {"max_sequence_length": 256}


CASES = [
    Case(Lumina2Pipeline, second, short),
    Case(LuminaPipeline, first, short),
]
