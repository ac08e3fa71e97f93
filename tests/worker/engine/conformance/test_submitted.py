"""A run has the pipeline as it was when it was submitted, whatever is done to it before the run begins."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionPipeline

from tests.worker.engine.conformance import editing, stable_diffusion
from tests.worker.engine.conformance.case import Case
from worker.engine import Engine

TOLERANCE = 1e-4


@pytest.mark.parametrize("kind", editing.INVERTED, ids=lambda kind: kind.__name__)
def test_a_pipeline_that_is_inverted_again_edits_each_picture_as_it_was_submitted(kind: type) -> None:
    pipeline = Case(kind, editing.INVERTED[kind]).build()

    def call(number: int, call_it: Callable[..., Any]) -> Any:
        editing.invert(pipeline, number)
        return call_it(**editing.edit(number))

    assert_as_alone(pipeline, call)


def test_a_pipeline_that_is_given_another_scheduler_develops_each_picture_as_it_was_submitted() -> None:
    case = Case(StableDiffusionPipeline, stable_diffusion.parts)
    pipeline = case.build()

    def call(number: int, call_it: Callable[..., Any]) -> Any:
        pipeline.scheduler = (DDIMScheduler, EulerDiscreteScheduler)[number % 2]()
        return call_it(**case.arguments(number))

    assert_as_alone(pipeline, call)


def assert_as_alone(pipeline: Any, call: Callable[[int, Callable[..., Any]], Any]) -> None:
    stock = [call(number, pipeline)[0] for number in range(3)]

    with Engine() as engine:
        engine.adopt(pipeline)
        with engine._changed:  # none begins before all are submitted
            futures = [call(number, lambda **arguments: engine.submit(pipeline, **arguments)) for number in range(3)]
        ours = [future.result(timeout=60)[0] for future in futures]

    for one, other in zip(ours, stock, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE)
    assert np.abs(stock[0] - stock[1]).max() > TOLERANCE
