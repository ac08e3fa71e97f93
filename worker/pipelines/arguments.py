import inspect
from typing import Any

import torch
from diffusers import DiffusionPipeline

from app.contract.generation import Generation


def arguments(pipeline: DiffusionPipeline, generation: Generation) -> dict[str, Any]:
    """The generation in the words of the pipeline's `__call__`; pictures come back as tensors in [0, 1].

    Each picture has a generator of its own, on the CPU, so that its noise depends neither on the device nor on how
    many pictures were asked for.
    """
    asked = {
        "prompt": generation.prompt,
        "negative_prompt": generation.negative_prompt or None,
        "width": generation.width,
        "height": generation.height,
        "num_images_per_prompt": generation.num_images,
        "num_inference_steps": generation.num_inference_steps,
        "guidance_scale": generation.guidance_scale,
        "generator": [torch.Generator("cpu").manual_seed(seed) for seed in generation.seeds],
        "output_type": "pt",
    }
    understood = inspect.signature(pipeline.__call__).parameters
    return {name: value for name, value in asked.items() if name in understood}


def warnings(pipeline: DiffusionPipeline, generation: Generation) -> list[str]:
    """What the caller should know about how the pipeline reads the request."""
    found = []
    if generation.negative_prompt and "negative_prompt" not in inspect.signature(pipeline.__call__).parameters:
        found.append(f"negative_prompt: {generation.model} takes none, so it was left out.")
    for field in ("prompt", "negative_prompt"):
        tokens, readable = _longest_reading(pipeline, getattr(generation, field))
        if tokens > readable:
            found.append(f"{field}: it has {tokens} tokens and {generation.model} reads {readable}; the end was cut.")
    return found


def _longest_reading(pipeline: DiffusionPipeline, text: str) -> tuple[int, int]:
    """Tokens of the text and tokens that can be read, by the tokenizer that can read the most."""
    tokenizers = [part for name, part in pipeline.components.items() if name.startswith("tokenizer") and part]
    if not tokenizers:
        return 0, 0
    reader = max(tokenizers, key=lambda tokenizer: tokenizer.model_max_length)
    return len(reader(text).input_ids), reader.model_max_length
