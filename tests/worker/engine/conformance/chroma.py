from typing import Any

from diffusers import (
    ChromaImg2ImgPipeline,
    ChromaInpaintPipeline,
    ChromaPipeline,
    ChromaTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
)

from tests.worker.engine.conformance.case import Case, from_picture, inpainting
from tests.worker.engine.conformance.parts import t5, tokenizer
from tests.worker.engine.tiny_pipelines import vae


def parts() -> dict[str, Any]:
    transformer = ChromaTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=16,
        axes_dims_rope=(4, 4, 8),
        approximator_hidden_dim=16,
        approximator_layers=1,
        approximator_num_channels=16,
    )
    return {
        "transformer": transformer,
        "vae": vae(shift_factor=0.1),
        "text_encoder": t5(),
        "tokenizer": tokenizer(64),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


def painting_in() -> dict[str, Any]:
    known = parts()
    known["transformer"].register_to_config(guidance_embeds=False)  # the pipeline asks for it, the class has none
    return known


def short(_number: int) -> dict[str, Any]:
    return {"negative_prompt": "a mist", "max_sequence_length": 32}


CASES = [
    Case(ChromaPipeline, parts, short),
    Case(ChromaImg2ImgPipeline, parts, lambda number: short(number) | from_picture(number)),
    Case(ChromaInpaintPipeline, painting_in, lambda number: short(number) | inpainting(number)),
]
