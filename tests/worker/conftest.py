from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from app.contract.generation import Webhook
from tests.worker.couriers import StartCourier, StartProcess, courier_processes, couriers
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand


@pytest.fixture
def start_courier(redis_url: str) -> Iterator[StartCourier]:
    with couriers(redis_url) as start:
        yield start


@pytest.fixture
def start_process(redis_url: str) -> Iterator[StartProcess]:
    with courier_processes(redis_url) as start:
        yield start


@pytest.fixture
def end_job(front: Front, redis: Redis) -> Callable[..., str]:
    """Has a job with a webhook succeed; returns its record's id."""
    hand = Hand(redis, "darkroom-hand", ["mini"])

    def end(url: str, **changes: Any) -> str:
        record_id = front.admit(webhook=Webhook(url=url), **changes)
        assert hand.finish(hand.claim()[0])
        return record_id

    return end


@pytest.fixture
def front(redis_url: str) -> Front:
    return Front(redis_url)
