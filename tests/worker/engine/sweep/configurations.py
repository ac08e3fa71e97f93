"""The tiny configurations of real pipeline classes: the project's own, and those of diffusers' own tests."""

import contextlib
import functools
import importlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import tests
from tests.worker.engine.conformance import rare
from tests.worker.engine.conformance.case import Case
from tests.worker.engine.conformance.conftest import make_small_megapixels
from tests.worker.engine.conformance.test_conformance import FAMILIES
from tests.worker.engine.sweep.stand_ins import align, fill_in, stand_in

TESTER = {"get_dummy_components", "get_dummy_inputs"}  # what a test class of a pipeline has
PROMPTS = ("A painting of a squirrel eating a burger", "a red cat", "the blue moon over a house")
GUIDANCE = (None, 1.0, 3.0)
TRUE_GUIDANCE = (None, 4.0, 1.0)


@dataclass(frozen=True)
class Configuration:
    """A pipeline, and the arguments of its requests by their numbers."""

    family: str
    name: str
    build: Callable[[], Any]
    arguments: Callable[[int], dict[str, Any]]


def ours(only: Sequence[str]) -> Iterator[Configuration]:
    make_small_megapixels(pytest.MonkeyPatch())
    for family in [*FAMILIES, *rare.FAMILIES]:
        for case in (case for case in family.CASES if any(part in str(case) for part in only)):
            name = family.__name__.rpartition(".")[2]
            yield Configuration(name, str(case), case.build, functools.partial(_of_case, case))


def _of_case(case: Case, number: int) -> dict[str, Any]:
    return case.arguments(number % 3) | _seeded(case.kind, number)


def of_diffusers(folder: Path, only: Sequence[str]) -> Iterator[Configuration]:
    """Yields what diffusers' source at `folder` tests its pipelines with."""
    stand_in()
    make_small_megapixels(pytest.MonkeyPatch())
    tests.__path__.append(str(folder / "tests"))
    for file in sorted((folder / "tests" / "pipelines").glob("*/test_*.py")):
        name = f"{file.parent.name}/{file.stem}"
        if not any(part in name for part in only) or "onnx" in name:
            continue
        module = importlib.import_module(f"tests.pipelines.{file.parent.name}.{file.stem}")
        fill_in()
        yield from _configurations(name, module)


def _configurations(name: str, module: Any) -> Iterator[Configuration]:
    seen = set()
    for kind in vars(module).values():
        if not (inspect.isclass(kind) and kind.__module__ == module.__name__ and TESTER.issubset(dir(kind))):
            continue
        pipeline = inspect.getattr_static(kind, "pipeline_class", None)
        wears = hasattr(kind, "_load_ip_adapters")
        key = pipeline, inspect.getattr_static(kind, "get_dummy_components").__qualname__, wears
        if inspect.isclass(pipeline) and key not in seen:
            seen.add(key)
            tester: Any = kind()
            label = pipeline.__name__ + ("-ip-adapter" if wears else "")
            build, arguments = functools.partial(_build, tester), functools.partial(_arguments, tester)
            yield Configuration(name.partition("/")[0], f"{label} ({name})", build, arguments)


def _build(tester: Any) -> Any:
    torch.manual_seed(0)
    if hasattr(tester, "setUp"):
        with contextlib.suppress(pytest.skip.Exception):  # diffusers tests what is deprecated no more
            tester.setUp()
    pipeline = tester.pipeline_class(**tester.get_dummy_components())
    align(pipeline)
    pipeline.set_progress_bar_config(disable=True)
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    if hasattr(tester, "_load_ip_adapters"):
        tester._load_ip_adapters(pipeline)
    if hasattr(tester, "get_dummy_inversion_inputs"):
        pipeline.invert(**tester.get_dummy_inversion_inputs("cpu"))
    return pipeline


def _arguments(tester: Any, number: int) -> dict[str, Any]:
    torch.manual_seed(number)
    known = inspect.signature(tester.get_dummy_inputs).parameters
    asked = {"seed": number, "device": "cpu"}
    arguments = tester.get_dummy_inputs(**{name: value for name, value in asked.items() if name in known})
    arguments |= _seeded(tester.pipeline_class, number)
    if isinstance(arguments.get("prompt"), str) and not arguments["prompt"].startswith("{"):  # as JSON it is kept
        arguments["prompt"] = PROMPTS[number % 3]
    if "intermediate_timesteps" in inspect.signature(tester.pipeline_class.__call__).parameters:
        arguments["intermediate_timesteps"] = None  # it allows of two steps only
    for name in ("num_inference_steps", "prior_num_inference_steps"):
        if isinstance(arguments.get(name), int):
            arguments[name] = max(arguments[name], 4) + number % 3
    for name, values in (("guidance_scale", GUIDANCE), ("true_cfg_scale", TRUE_GUIDANCE)):
        if type(arguments.get(name)) in (int, float):
            arguments[name] = values[number % 3] or arguments[name]
    if hasattr(tester, "_load_ip_adapters"):
        width = tester.get_dummy_components()["unet"].config.cross_attention_dim
        arguments["ip_adapter_image_embeds"] = [tester._get_dummy_image_embeds(width)]
        arguments["guidance_scale"] = 4.0
    return arguments


def _seeded(kind: type, number: int) -> dict[str, Any]:
    has_generator = "generator" in inspect.signature(kind.__call__).parameters
    return {"generator": torch.Generator().manual_seed(number)} if has_generator else {}
