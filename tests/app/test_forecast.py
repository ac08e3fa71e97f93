from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from app.contract.announcement import Announcement, Pace
from app.contract.queues import Queues
from app.forecast import Forecast, Forecasts, foretell
from tests.app.announced import announce

MINI = Pace(model="mini", step_s=0.1, job_s=0.5)
LARGE = Pace(model="large", step_s=1.0, job_s=4.0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def worker(*paces: Pace, **said: Any) -> Announcement:
    defaults: dict[str, Any] = {"capacity": 4, "running": 4, "models": ["mini", "large"], "device": "cpu"}
    more = {"dtype": "float32", "modules": [], "never_stacked": [], "started_at": datetime.now(UTC)}
    return Announcement(worker="one", paces=list(paces), **{**defaults, **more, **said})


def eta_s(*workers: Announcement, ahead: int = 3, steps: int = 20, **depths: int) -> float | None:
    return foretell(workers, depths).get("mini", Forecast()).eta_s(ahead, steps)


def test_without_workers_or_before_they_have_measured_anything_nobody_knows() -> None:
    assert eta_s() is None
    assert eta_s(worker()) is None
    assert eta_s(worker(LARGE)) is None
    assert eta_s(worker(MINI, models=["large"])) is None


def test_a_job_that_finds_a_free_slot_takes_its_own_steps() -> None:
    assert eta_s(worker(MINI, running=0), ahead=3) == pytest.approx(2.0)


def test_a_job_that_waits_gets_a_slot_when_as_many_have_ended_as_are_before_it_and_one_more() -> None:
    assert eta_s(worker(MINI), ahead=3) == pytest.approx(4 * 0.5 + 2.0)
    assert eta_s(worker(MINI, running=2), ahead=3) == pytest.approx(2 * 0.5 + 2.0)


def test_workers_share_what_waits() -> None:
    assert eta_s(worker(MINI), worker(MINI), ahead=3) == pytest.approx(2 * 0.5 + 2.0)


def test_other_models_of_the_same_workers_have_their_turns_too() -> None:
    assert eta_s(worker(MINI, LARGE), ahead=3, mini=4, large=1) == pytest.approx(4 * 0.5 + 1 * 4.0 + 2.0)
    assert eta_s(worker(MINI, LARGE), ahead=0, mini=1, large=9) == pytest.approx(1 * 0.5 + 1 * 4.0 + 2.0, rel=0.05)


@pytest.mark.anyio
async def test_however_many_ask_the_queues_are_looked_at_once_a_second(redis: Redis, redis_url: str) -> None:
    announce(redis, "one", paces=[MINI])
    async with AsyncRedis.from_url(redis_url) as client:
        forecasts = Forecasts(Queues(client, retention_s=60), ["mini"])
        first = await forecasts.of("mini")
        redis.flushall()

        assert await forecasts.of("mini") == first
        assert first.job_s == 0.5
        assert await forecasts.of("unknown") == Forecast()
