"""Pipelines that draw from torch's global generators, as all do that are given none."""

import threading
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler

from tests.worker.engine.tiny_pipelines import over_the_same_weights
from worker.engine import Engine

SOON_S = 30.0
ARGUMENTS: dict[str, Any] = {"prompt": "a cat", "num_inference_steps": 3, "output_type": "np"}


@pytest.fixture
def drawing(stable_diffusion: Any) -> Any:
    """Draws its first latents, and more noise at every step."""
    return over_the_same_weights(stable_diffusion, scheduler=EulerAncestralDiscreteScheduler)


def stock(pipeline: Any, seed: int) -> Any:
    torch.manual_seed(seed)
    return pipeline(**ARGUMENTS).images


def images(future: "Future[Any]") -> Any:
    return future.result(SOON_S).images


def test_a_run_after_manual_seed_gives_in_company_what_the_stock_pipeline_gives(engine: Engine, drawing: Any) -> None:
    expected = [stock(drawing, seed) for seed in range(3)]
    engine.adopt(drawing)

    futures = []
    with engine._changed:  # none begins, and has the generators, before all are seeded
        for seed in range(3):
            torch.manual_seed(seed)
            futures.append(engine.submit(drawing, **ARGUMENTS))

    for future, each in zip(futures, expected, strict=True):
        assert np.abs(images(future) - each).max() < 1e-4


def test_a_runs_seed_stands_for_manual_seed(engine: Engine, drawing: Any) -> None:
    expected = [stock(drawing, seed) for seed in range(3)]
    engine.adopt(drawing)

    futures = [engine.submit(drawing, seed=seed, **ARGUMENTS) for seed in range(3)]

    for future, each in zip(futures, expected, strict=True):
        assert np.abs(images(future) - each).max() < 1e-4


def test_a_pipeline_that_takes_a_seed_itself_gets_the_runs_seed(engine: Engine) -> None:
    class Seeded:
        def __call__(self, seed: int = 0) -> int:
            return seed

    assert engine.submit(Seeded(), seed=7).result(SOON_S) == 7


def test_two_runs_draw_differently_and_one_with_a_seed_leaves_the_callers_state_alone(
    engine: Engine, drawing: Any
) -> None:
    engine.adopt(drawing)

    one, other = (engine.submit(drawing, **ARGUMENTS) for _ in range(2))
    pictures = [images(one), images(other)]
    assert engine.drain(SOON_S)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    images(engine.submit(drawing, seed=1, **ARGUMENTS))

    assert np.abs(pictures[0] - pictures[1]).max() > 0.01
    assert torch.equal(torch.get_rng_state(), before)


def test_submitting_never_waits_for_a_run_that_has_the_generators(engine: Engine) -> None:
    has_begun, may_leave = threading.Event(), threading.Event()

    def hang() -> bool:
        has_begun.set()
        return may_leave.wait(SOON_S)

    hanging = engine.submit(hang)
    assert has_begun.wait(SOON_S)
    draws = [engine.submit(lambda: torch.rand(()).item()) for _ in range(2)]
    is_hanging = not hanging.done()
    may_leave.set()

    assert is_hanging
    assert hanging.result(SOON_S)
    assert draws[0].result(SOON_S) != draws[1].result(SOON_S)
