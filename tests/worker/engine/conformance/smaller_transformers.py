"""Families of transformers with one pipeline or two."""

from typing import Any

from diffusers import (
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    CogVideoXDDIMScheduler,
    CogView3PlusPipeline,
    CogView3PlusTransformer2DModel,
    CogView4ControlPipeline,
    CogView4Pipeline,
    CogView4Transformer2DModel,
    DDIMScheduler,
    DDPMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    HunyuanDiT2DControlNetModel,
    HunyuanDiT2DModel,
    HunyuanDiTControlNetPipeline,
    HunyuanDiTPipeline,
)
from transformers import BertConfig, BertModel, GlmConfig, GlmModel

from tests.worker.engine.conformance.case import Case, picture
from tests.worker.engine.conformance.parts import LANGUAGE, VOCABULARY, awake, t5, tokenizer
from tests.worker.engine.tiny_pipelines import vae

HUNYUAN = {
    "sample_size": 8,
    "num_layers": 4,
    "patch_size": 2,
    "attention_head_dim": 8,
    "num_attention_heads": 2,
    "in_channels": 4,
    "hidden_size": 16,
    "cross_attention_dim": 16,
    "cross_attention_dim_t5": 16,
    "pooled_projection_dim": 16,
    "text_len": 77,
    "text_len_t5": 256,
    "activation_fn": "gelu-approximate",
}
VIEW = {
    "patch_size": 2,
    "in_channels": 4,
    "out_channels": 4,
    "num_layers": 1,
    "attention_head_dim": 4,
    "num_attention_heads": 2,
    "text_embed_dim": 16,
    "time_embed_dim": 8,
    "condition_dim": 2,
}


def aura_flow() -> dict[str, Any]:
    transformer = AuraFlowTransformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=16,
        pos_embed_max_size=64,
    )
    return of_one_encoder(transformer, FlowMatchEulerDiscreteScheduler())


def of_one_encoder(transformer: Any, scheduler: Any) -> dict[str, Any]:
    known = {"transformer": transformer, "vae": vae(), "scheduler": scheduler}
    return known | {"text_encoder": t5(), "tokenizer": tokenizer(32)}


def cogview_3() -> dict[str, Any]:
    transformer = CogView3PlusTransformer2DModel(**VIEW, pos_embed_max_size=8, sample_size=8)
    return of_one_encoder(transformer, CogVideoXDDIMScheduler())


def cogview_4(**transformer_settings: Any) -> dict[str, Any]:
    known = of_one_encoder(
        CogView4Transformer2DModel(**VIEW | {"attention_head_dim": 8} | transformer_settings),
        FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, time_shift_type="linear"),
    )
    return known | {
        "vae": vae(),
        "text_encoder": GlmModel(GlmConfig(**LANGUAGE, pad_token_id=2)),
        "tokenizer": tokenizer(32, padding_side="left"),
    }


def hunyuan() -> dict[str, Any]:
    bert = BertConfig(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    return {
        "transformer": HunyuanDiT2DModel(**HUNYUAN),
        "vae": vae(),
        "text_encoder": BertModel(bert),
        "tokenizer": tokenizer(77),
        "text_encoder_2": t5(),
        "tokenizer_2": tokenizer(256),
        "scheduler": DDPMScheduler(),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


def hunyuan_control() -> dict[str, Any]:
    settings = {**HUNYUAN, "transformer_num_layers": 4}
    del settings["num_layers"]
    return hunyuan() | {"controlnet": awake(HunyuanDiT2DControlNetModel(**settings))}


def of_classes() -> dict[str, Any]:
    transformer = DiTTransformer2DModel(
        sample_size=8, num_layers=1, patch_size=2, attention_head_dim=8, num_attention_heads=2, out_channels=8
    )
    return {"transformer": awake(transformer), "vae": vae(), "scheduler": DDIMScheduler()}


def unbinned(_number: int) -> dict[str, Any]:
    return {"use_resolution_binning": False}


CASES = [
    Case(AuraFlowPipeline, aura_flow, lambda _number: {"max_sequence_length": 16}),
    Case(CogView3PlusPipeline, cogview_3, lambda _number: {"max_sequence_length": 16}),
    Case(CogView4Pipeline, cogview_4),
    Case(
        CogView4ControlPipeline,
        lambda: cogview_4(in_channels=8),
        lambda number: {"control_image": picture(number)},
    ),
    Case(HunyuanDiTPipeline, hunyuan, unbinned),
    Case(
        HunyuanDiTControlNetPipeline,
        hunyuan_control,
        lambda number: unbinned(number) | {"control_image": picture(number), "guidance_scale": 4.0 + number},
    ),
    Case(DiTPipeline, of_classes, lambda number: {"class_labels": [number]}),
]
