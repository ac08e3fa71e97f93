"""What requests of one pipeline can differ in: every option that its call has, and the ways to hand things in."""

import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from diffusers.utils.pil_utils import numpy_to_pil
from diffusers.utils.source_code_parsing_utils import ReturnNameVisitor

from tests.worker.engine.sweep.configurations import Configuration
from tests.worker.engine.sweep.request import Request

# For the options that stand at None unless they are given, or that a number more or less says nothing about.
GIVEN: dict[str, Any] = {
    "attention_kwargs": {"scale": 0.5},
    "clip_skip": 1,
    "control_guidance_end": 0.7,
    "control_guidance_start": 0.4,
    "cross_attention_kwargs": {"scale": 0.5},
    "denoising_end": 0.6,
    "joint_attention_kwargs": {"scale": 0.5},
    "negative_prompt": "a dull dog",
    "num_images_per_prompt": 2,
    "num_videos_per_prompt": 2,
    "num_waveforms_per_prompt": 2,
    "output_type": "latent",
    "prompt_2": "another moon",
    "true_cfg_scale": 3.0,
}
MEGAPIXELS = "use_resolution_binning"  # makes 1024 x 1024 of any size
SCHEDULERS = {
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LCMScheduler",
    "UniPCMultistepScheduler",
}


class _Encoded(Exception):
    """Raised where a pipeline has encoded its prompt, to go no further."""


def variations(configuration: Configuration, pipeline: Any) -> Iterator[Request]:
    """Yields requests with different steps, seeds, prompts and guidance; then one for each other way."""
    for number in range(3):
        yield Request(f"plain {number + 1}", pipeline, _varied(configuration, number), number)
    ways = {**_options(configuration, pipeline), **_ways(configuration, pipeline)}
    for number, (name, change) in enumerate(ways.items(), start=3):
        yield Request(name, pipeline, _varied(configuration, number, change), number)
    for kind in sorted(_schedulers(pipeline), key=lambda kind: kind.__name__):
        number += 1
        other = copy.copy(pipeline)
        try:
            other.scheduler = kind.from_config(pipeline.scheduler.config)
        except NotImplementedError:  # not every kind knows every schedule of noise
            continue
        yield Request(kind.__name__, other, _varied(configuration, number), number)


Change = Callable[[dict[str, Any]], dict[str, Any]]


def _varied(configuration: Configuration, number: int, change: Change = lambda _: {}) -> Callable[[], dict[str, Any]]:
    def arguments() -> dict[str, Any]:
        plain = configuration.arguments(number)
        return {**plain, **change(plain)}

    return arguments


def _options(configuration: Configuration, pipeline: Any) -> dict[str, Change]:
    """Returns the options that can be turned: flags the other way, numbers elsewhere, and those in GIVEN."""
    plain = configuration.arguments(0)
    changes: dict[str, Change] = {}
    for name, parameter in inspect.signature(type(pipeline).__call__).parameters.items():
        value = plain.get(name, parameter.default)
        if name in GIVEN:
            changes[name] = _setting(name, GIVEN[name])
        elif isinstance(value, bool) and name not in ("return_dict", MEGAPIXELS) and not name.startswith("_"):
            changes[name] = _setting(name, not value)
        elif isinstance(value, float):
            changes[name] = _setting(name, value / 2 + 0.25)
    return changes


def _setting(name: str, value: Any) -> Change:
    return lambda _: {name: copy.deepcopy(value)}  # GLIGEN writes into what it is given


def _ways(configuration: Configuration, pipeline: Any) -> dict[str, Change]:
    """Returns the other ways to ask: lists, embeddings, sizes, texts of other lengths, callbacks that interfere."""
    names = inspect.signature(type(pipeline).__call__).parameters
    plain = configuration.arguments(0)
    ways: dict[str, Change] = {}
    if isinstance(plain.get("prompt"), str):
        ways["a long prompt"] = lambda plain: {"prompt": plain["prompt"] + " and a long tail of other words"}
        ways["two prompts"] = lambda plain: {
            "prompt": [plain["prompt"], "a small mouse"],
            "generator": [torch.Generator().manual_seed(seed) for seed in (70, 71)],
        }
        if "prompt_embeds" in names and hasattr(pipeline, "encode_prompt"):
            ways["embeddings"] = lambda plain: _embeddings(pipeline, plain)
    if {"height", "width"} <= names.keys() and plain.get("height"):
        ways["a wide picture"] = lambda plain: {"width": 2 * plain["width"]}
    if "padding_mask_crop" in names:
        ways["padding_mask_crop"] = lambda plain: {
            "padding_mask_crop": 4,
            "output_type": "pil",
            **{name: _as_picture(plain[name]) for name in ("image", "mask_image")},
        }
    if "callback_on_step_end" in names:
        ways["guidance changed"] = lambda _: {"callback_on_step_end": _change_guidance}
        ways["latents changed"] = lambda _: {"callback_on_step_end": _change_latents}
    if "callback_on_step_end" in names and hasattr(type(pipeline), "do_classifier_free_guidance"):
        ways["guidance cut off"] = lambda _: {
            "callback_on_step_end": _cut_guidance,
            "callback_on_step_end_tensor_inputs": pipeline._callback_tensor_inputs,
        }
    return ways


def _embeddings(pipeline: Any, plain: dict[str, Any]) -> dict[str, Any]:
    """Returns what the pipeline makes of the prompt, by the names that its `encode_prompt` returns it under."""
    visitor = ReturnNameVisitor()
    visitor.visit(visitor.get_ast_tree(type(pipeline)))
    encoding = copy.copy(pipeline)
    encoded: list[Any] = []

    def encode(*args: Any, **kwargs: Any) -> Any:
        result = pipeline.encode_prompt(*args, **kwargs)
        encoded.extend(result if isinstance(result, tuple) else [result])
        raise _Encoded

    vars(encoding)["encode_prompt"] = encode
    with contextlib.suppress(_Encoded):
        encoding(**plain)
    known = inspect.signature(type(pipeline).__call__).parameters
    named = dict(zip(visitor.return_names, encoded, strict=False))
    given = {name: value for name, value in named.items() if name in known and value is not None}
    return {**given, "prompt": None, **({"negative_prompt": None} if "negative_prompt" in known else {})}


def _as_picture(image: Any) -> Any:
    return numpy_to_pil(image.permute(0, 2, 3, 1).numpy())[0] if isinstance(image, torch.Tensor) else image


def _change_guidance(pipeline: Any, index: int, _timestep: Any, _tensors: dict[str, Any]) -> dict[str, Any]:
    """Guides otherwise from the second step on, where there is guidance."""
    if index == 1 and getattr(pipeline, "_guidance_scale", 1.0) > 1:
        pipeline._guidance_scale *= 2.5
    return {}


def _change_latents(_pipeline: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    return {"latents": tensors["latents"] * (0.9 if index == 1 else 1)}


def _cut_guidance(pipeline: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    """Guides no more from the second step on, and with half the rows: diffusers' guide has it so."""
    if index != 1 or not pipeline.do_classifier_free_guidance:
        return {}
    pipeline._guidance_scale = 0.0
    rows = 2 * len(tensors["latents"])
    both = {
        name: tensor for name, tensor in tensors.items() if isinstance(tensor, torch.Tensor) and len(tensor) == rows
    }
    return {name: tensor.chunk(2)[-1] for name, tensor in both.items()}


def _schedulers(pipeline: Any) -> list[Any]:
    compatible = getattr(getattr(pipeline, "scheduler", None), "compatibles", [])
    return [kind for kind in compatible if kind.__name__ in SCHEDULERS]
