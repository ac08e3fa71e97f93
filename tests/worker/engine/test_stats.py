import time
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.worker.engine.small_pipelines import Failing, Rows, Walk, sample
from tests.worker.queue.eventually import eventually
from worker.engine import Engine

SOON_S = 30.0


class Slow(Rows):
    """Takes its time."""

    def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
        time.sleep(0.05)
        return super().forward(sample, timestep, scale)


def adopted(engine: Engine, module: Rows) -> Walk:
    pipeline = Walk(module)
    engine.adopt(pipeline)
    return pipeline


def test_forward_passes_are_counted_by_their_rows(engine: Engine) -> None:
    module = Rows()
    pipeline = adopted(engine, module)

    for rows in (1, 2, 2):
        engine.submit(pipeline, sample=sample(0, rows), steps=2).result(SOON_S)

    [stats] = engine.stats().modules
    assert stats.by_rows == Counter(module.seen) == {1: 2, 2: 4}
    assert (stats.calls, stats.forwards, stats.rows) == (6, 6, 10)


def test_busy_is_the_time_with_something_to_do_and_no_other(engine: Engine) -> None:
    pipeline = adopted(engine, Slow())
    began = time.monotonic()

    engine.submit(pipeline, sample=sample(0), steps=4).result(SOON_S)
    eventually(lambda: engine.stats().busy_s >= 4 * 0.05)
    took_s, busy_s = time.monotonic() - began, engine.stats().busy_s
    time.sleep(0.2)

    assert busy_s <= took_s
    assert engine.stats().busy_s - busy_s < 0.1


def test_a_run_that_fails_for_want_of_memory_is_counted(engine: Engine) -> None:
    pipeline = adopted(engine, Failing(memory=2))
    engine.submit(pipeline, sample=sample(0, 2)).result(SOON_S)
    assert engine.stats().out_of_memory == 0

    with pytest.raises(torch.OutOfMemoryError):
        engine.submit(pipeline, sample=sample(0, 3)).result(SOON_S)

    assert engine.stats().out_of_memory == 1
