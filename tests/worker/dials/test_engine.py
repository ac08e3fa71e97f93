from collections.abc import Iterator
from typing import Any

import pytest
import torch
from prometheus_client import CollectorRegistry
from redis import Redis

from tests.worker.engine.small_pipelines import Rows, Walk, sample
from worker.dials.engine import EngineDials
from worker.engine import Engine
from worker.pipelines.warm_models import WarmModels
from worker.queue import QueueWorker


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


def never(_name: str) -> Any:
    raise AssertionError


def registered(engine: Engine, redis: Redis, memory: float) -> CollectorRegistry:
    worker = QueueWorker(["mini"], connection=redis, capacity=5)
    registry = CollectorRegistry()
    registry.register(EngineDials(worker, engine, WarmModels(never, memory), torch.device("cpu")))
    return registry


def test_forward_passes_are_told_as_a_histogram_of_their_rows(engine: Engine, redis: Redis) -> None:
    registry = registered(engine, redis, float("inf"))
    pipeline = Walk(Rows())
    engine.adopt(pipeline, "small")
    for rows in (1, 1, 3, 5, 100):
        engine.submit(pipeline, sample=sample(0, rows), steps=1).result(30)

    def batches(part: str, **more: str) -> float | None:
        labels = {"model": "small", "module": "module", **more}
        return registry.get_sample_value(f"darkroom_batch_rows_{part}", labels)

    bounds = ("1.0", "2.0", "3.0", "4.0", "6.0", "64.0", "+Inf")
    assert [batches("bucket", le=bound) for bound in bounds] == [2, 2, 3, 3, 4, 4, 5]
    assert (batches("count"), batches("sum")) == (5, 110)


def test_a_limit_of_the_memory_is_told_where_there_is_one(engine: Engine, redis: Redis) -> None:
    def told(memory: float, kind: str) -> float | None:
        return registered(engine, redis, memory).get_sample_value("darkroom_memory_bytes", {"kind": kind})

    assert told(2**20, "budget") == 2**20
    assert told(float("inf"), "budget") is None
    assert told(float("inf"), "models") == 0
    assert registered(engine, redis, 0).get_sample_value("darkroom_slots") == 5
