"""The census finds what is wrong: here it is done by hand."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq.results import Result

from app.contract import names
from tests.chaos.census import judge
from tests.chaos.scene import Scene
from tests.chaos.verdict import Verdict

JOBS = 7
GOOD, GONE, TWICE, REVIVED, MISPLACED, REPAINTED, RETOLD = (f"job-{n}" for n in range(JOBS))


@pytest.fixture(scope="module")
def verdict() -> Iterator[Verdict]:
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        scene = Scene(Path(folder), seed=1, lease_s=0.6, tell=lambda _ended, _jobs: None)
        try:
            yield asyncio.run(play(scene))
        finally:
            scene.close()


async def play(scene: Scene) -> Verdict:
    scene.start_workers(1)
    await scene.admit(JOBS, steps=1, step_s=0)
    await scene.watch(JOBS, patience_s=20)
    with Redis.from_url(scene.redis.url) as redis:
        redis.delete(f"rq:job:{GONE}")
        redis.xadd(Result.get_key(TWICE), {"type": "1", "execution_id": "another"})
        redis.hset(f"rq:job:{REVIVED}", "status", "queued")
        redis.rpush("rq:queue:darkroom-mini", MISPLACED)
        redis.xadd(names.events_key(RETOLD), {"type": "failed", "data": "{}"})
        redis.set("darkroom:forgotten", "1")
        redis.persist(f"rq:job:{GOOD}")
        for picture in (scene.folder / "images").glob(f"*/{REPAINTED}/*/0.png"):
            picture.unlink()
    return await judge(scene, "by hand", "all kinds")


def test_a_job_that_is_gone_or_has_not_ended_is_lost(verdict: Verdict) -> None:
    assert verdict.lost == [GONE, REVIVED]


def test_a_second_result_is_found(verdict: Verdict) -> None:
    assert verdict.published_twice == [TWICE]


@pytest.mark.parametrize(
    "complaint",
    [
        f"{REVIVED} changed after its end",
        f"{JOBS} jobs are counted as succeeded, and there are {JOBS - 2}",
        f"{MISPLACED} is in 2 registries",
        f"rq:job:{GOOD} never expires",
        f"{RETOLD} tells of itself: queued, started, succeeded, failed",
        "darkroom:forgotten is left",
    ],
)
def test_what_should_not_be_is_complained_of(verdict: Verdict, complaint: str) -> None:
    assert complaint in verdict.complaints


def test_a_picture_that_is_not_there_is_missed(verdict: Verdict) -> None:
    assert any(REPAINTED in complaint and "picture" in complaint for complaint in verdict.complaints)


def test_what_has_no_expiry_would_stay_for_ever(verdict: Verdict) -> None:
    [stays] = [complaint for complaint in verdict.complaints if "for ever" in complaint]
    assert "darkroom:forgotten" in stays
    assert TWICE not in stays
    assert not verdict.holds
