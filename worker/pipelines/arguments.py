import copy
import threading
from collections.abc import Collection
from typing import Any

import torch
from diffusers import DiffusionPipeline
from PIL import Image

from app.contract.generation import Generation
from worker.inputs import NO_INPUTS, Inputs
from worker.pipelines.task_pipelines import call_parameters


def arguments(pipeline: DiffusionPipeline, generation: Generation, inputs: Inputs = NO_INPUTS) -> dict[str, Any]:
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
    understood = call_parameters(pipeline)
    asked |= _pictures(understood.keys(), generation, inputs)
    return {name: value for name, value in asked.items() if name in understood}


def _pictures(understood: Collection[str], generation: Generation, inputs: Inputs) -> dict[str, Any]:
    """A picture that is drawn over gets the size of the result, as diffusers gives it; what is looked at keeps its own.

    What comes out where a mask is black is the stock pipeline's: close to what was there, and not its very pixels.
    """
    size = (generation.width, generation.height)
    is_drawn_over = "strength" in understood or "mask_image" in understood or "width" not in understood
    images = [_resized(each, size) for each in inputs.image] if is_drawn_over else inputs.image
    asked: dict[str, Any] = {}
    if images:
        asked["image"] = images if len(images) > 1 else images[0]
    if generation.strength:
        asked["strength"] = generation.strength
    if inputs.mask:
        asked["mask_image"] = _resized(inputs.mask, size)
    if generation.control and inputs.control:
        asked["control_image" if "control_image" in understood else "image"] = _resized(inputs.control, size)
        asked["controlnet_conditioning_scale"] = generation.control.scale
    return asked


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


class PromptReader:
    """What a model reads of a prompt, told by a tokenizer of its own.

    The pipeline's belongs to the engine's thread: a tokenizer keeps the padding and cut of its last call, and one
    that is called from two threads pads one's prompt as the other's.
    """

    def __init__(self, pipeline: DiffusionPipeline, model: str) -> None:
        self._model = model
        self._understood = call_parameters(pipeline)
        tokenizers = [part for name, part in pipeline.components.items() if name.startswith("tokenizer") and part]
        longest = max(tokenizers, key=lambda tokenizer: tokenizer.model_max_length, default=None)
        self._tokenizer: Any = copy.deepcopy(longest)
        self._lock = threading.Lock()

    def warnings(self, generation: Generation) -> list[str]:
        """What the caller should know about how the pipeline reads the request."""
        found = []
        if generation.negative_prompt and "negative_prompt" not in self._understood:
            found.append(f"negative_prompt: {self._model} takes none, so it was left out.")
        for field in ("prompt", "negative_prompt") if self._tokenizer else ():
            tokens, readable = self._count(getattr(generation, field)), self._tokenizer.model_max_length
            if tokens > readable:
                found.append(f"{field}: it has {tokens} tokens and {self._model} reads {readable}; the end was cut.")
        return found

    def _count(self, text: str) -> int:
        with self._lock:
            return len(self._tokenizer(text).input_ids)
