"""How the engine tells that it has stopped getting on."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from torch import Tensor

from tests.worker.engine.small_pipelines import Rows, Walk, sample
from worker.engine import Engine, EngineClosed

SOON_S = 30.0


class Hanging(Rows):
    """Answers when it is let, as a device that has lost its way does."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_answer = threading.Event(), threading.Event()

    def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
        self.is_asked.set()
        assert self.may_answer.wait(SOON_S)
        return super().forward(sample, timestep, scale)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.may_answer.set()


def stalled_longer_than(engine: Engine, seconds: float) -> float:
    until = time.monotonic() + SOON_S
    while (stalled := engine.stalled_s) <= seconds and time.monotonic() < until:
        time.sleep(0.01)
    return stalled


def test_an_engine_with_nothing_to_do_has_not_stalled(engine: Engine) -> None:
    pipeline = Walk(Rows())
    engine.adopt(pipeline)
    before = engine.stalled_s

    engine.submit(pipeline, sample=sample(0)).result(SOON_S)
    until = time.monotonic() + SOON_S
    while engine.stalled_s and time.monotonic() < until:
        time.sleep(0.01)

    assert before == 0.0
    assert engine.stalled_s == 0.0


def test_a_forward_pass_that_hangs_is_seen_and_is_over_with_it(engine: Engine, hanging: Hanging) -> None:
    pipeline = Walk(hanging)
    engine.adopt(pipeline)

    future = engine.submit(pipeline, sample=sample(0), steps=1)
    assert hanging.is_asked.wait(SOON_S)
    first = stalled_longer_than(engine, 0.02)
    second = stalled_longer_than(engine, first)
    hanging.may_answer.set()
    future.result(SOON_S)

    assert second > first > 0.02
    assert engine.stalled_s < second


def test_submitting_and_asking_for_figures_never_wait_for_a_run_that_hangs(engine: Engine, hanging: Hanging) -> None:
    pipeline, other = Walk(hanging), Walk(Rows())
    engine.adopt(pipeline)
    engine.adopt(other)
    futures = [engine.submit(pipeline, sample=sample(0))]
    assert hanging.is_asked.wait(SOON_S)

    futures.append(engine.submit(other, sample=sample(1)))
    runs, is_hanging = engine.stats().runs, not hanging.may_answer.is_set()
    hanging.may_answer.set()

    assert (runs, is_hanging) == (2, True)
    assert not any(future.exception(SOON_S) for future in futures)


def test_a_closed_engine_has_not_stalled(hanging: Hanging) -> None:
    engine = Engine()
    pipeline = Walk(hanging)
    engine.adopt(pipeline)
    futures = [engine.submit(pipeline, sample=sample(seed)) for seed in range(2)]
    assert hanging.is_asked.wait(SOON_S)

    threading.Timer(0.05, hanging.may_answer.set).start()
    engine.close()

    assert engine.stalled_s == 0.0
    assert engine.runs == 0
    assert all(isinstance(future.exception(0), EngineClosed) for future in futures)


def test_the_first_of_several_gpus_needs_no_number() -> None:
    def pipeline() -> str:
        return "done"

    with Engine(device="cuda") as engine:
        assert engine.submit(pipeline).result(SOON_S) == "done"
