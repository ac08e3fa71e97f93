from dataclasses import replace
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from app.contract.catalogue import Model
from app.contract.generation import Generation, GenerationRequest
from tests.worker.pipelines.conftest import CPU
from worker.engine import Engine
from worker.pipelines.arguments import arguments
from worker.pipelines.warming import LoadedModel, WarmModel


def develop(model: WarmModel, generations: list[Generation]) -> list[Any]:
    pipelines = [model.pipelines.of(each) for each in generations]
    runs = [
        model.engine.submit(pipeline, **arguments(pipeline, each))
        for pipeline, each in zip(pipelines, generations, strict=True)
    ]
    return [run.result().images for run in runs]


def test_a_warm_model_meets_no_call_for_the_first_time(tiny_model: Model, engine: Engine) -> None:
    model = LoadedModel.load(tiny_model, CPU, engine).warm()
    before = {each.module: each.forwards for each in engine.stats().modules}

    develop(model, [tiny_model.fill(GenerationRequest(prompt=prompt, seed=1)) for prompt in "ab"])

    after = {each.module: each.forwards for each in engine.stats().modules}
    assert after["unet"] - before["unet"] == tiny_model.defaults.num_inference_steps
    assert after["vae.decode"] - before["vae.decode"] == 1


def test_a_run_is_expected_to_need_memory_by_its_pixels(tiny_model: Model, engine: Engine) -> None:
    model = replace(LoadedModel.load(tiny_model, CPU, engine).warm(), pixel_bytes=2.5)

    generation = tiny_model.fill(GenerationRequest(prompt="a", num_images=3, width=64, height=32))

    assert model.run_bytes(generation) == 2.5 * 3 * 64 * 32


def test_compiled_blocks_give_the_same_pictures_and_are_never_compiled_again(tiny_model: Model) -> None:
    asked = [(2.0, 32, 3), (1.0, 32, 2), (3.0, 48, 3), (2.0, 64, 2), (1.0, 48, 4), (2.0, 32, 5)]
    generations = [
        tiny_model.fill(
            GenerationRequest(prompt="a", seed=1, guidance_scale=guidance, width=width, num_inference_steps=steps)
        )
        for guidance, width, steps in asked
    ]
    torch._dynamo.reset()
    with Engine() as engine:
        plain = develop(LoadedModel.load(tiny_model, CPU, engine).warm(), generations)
    with Engine() as engine:
        # dynamo does its whole work; a compiler proper would add half a minute to the tests
        model = LoadedModel.load(tiny_model, replace(CPU, compiler="eager"), engine).warm()
        graphs = counters["stats"]["unique_graphs"]
        compiled = develop(model, generations)

    assert graphs > 0
    assert counters["stats"]["unique_graphs"] == graphs
    for one, other in zip(compiled, plain, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_a_model_that_can_have_no_previews_says_why(
    tiny_model: Model, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    LoadedModel.load(tiny_model, CPU, engine).warm()  # its weights are random: no map explains its pictures

    assert "tiny has no previews: a linear map explains" in caplog.text
