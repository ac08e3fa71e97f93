import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis

from app.contract.announcement import Announcement
from app.contract.job import JobStatus
from app.forecast import foretell
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand
from tests.worker.queue.studio import StartWorker
from worker.queue import Claim, QueueWorker
from worker.queue.pacer import WEIGHT, Pacer

STEPS, STEP_S, SLOTS = 10, 0.02, 2


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def claims(front: Front, redis: Redis) -> list[Claim]:
    front.admit_many(4)
    return Hand(redis, "darkroom-a", ["mini"]).claim(4)


def through(claim: Claim, at: float) -> None:
    claim.report(STEPS, STEPS)
    claim.reported_at = at


def test_jobs_that_run_at_once_share_the_worker(claims: list[Claim]) -> None:
    clock = Clock()
    pacer = Pacer(clock)
    with ExitStack() as running:
        for claim in claims:
            running.enter_context(pacer.timing(claim))
        clock.now = 8.0
        for claim in claims:
            through(claim, at=8.0)

    [pace] = pacer.paces
    assert (pace.model, pace.step_s, pace.job_s) == ("mini", 8.0 / STEPS, 8.0 / 4)


def test_a_worker_that_has_nothing_to_do_spends_nothing_and_the_newest_job_weighs_most(claims: list[Claim]) -> None:
    clock = Clock()
    pacer = Pacer(clock)
    for claim, seconds in zip(claims, (2.0, 4.0), strict=False):
        clock.now += 100.0
        with pacer.timing(claim):
            clock.now += seconds
            through(claim, at=clock.now)

    [pace] = pacer.paces
    assert pace.job_s == pytest.approx(2.0 + WEIGHT * 2.0)


def test_a_job_that_is_not_seen_through_does_not_count(claims: list[Claim]) -> None:
    pacer = Pacer()
    with pacer.timing(claims[0]):
        pass
    with pacer.timing(claims[1]):
        claims[1].report(STEPS - 1, STEPS)

    assert pacer.paces == []


def test_what_is_foretold_by_a_worker_at_work_is_not_far_off(front: Front, start_worker: StartWorker) -> None:
    def develop(claim: Claim) -> dict[str, Any]:
        for step in range(STEPS):
            time.sleep(STEP_S)
            claim.report(step + 1, STEPS)
        return {"images": []}

    worker: QueueWorker = start_worker(develop, capacity=SLOTS, announce=lambda: announcement(worker))
    jobs = front.admit_many(16, num_inference_steps=STEPS)
    eventually(lambda: front.find(jobs[5]).status is JobStatus.SUCCEEDED)
    asked_at, last = time.monotonic(), front.find(jobs[-1])

    assert last.ahead is not None
    eta_s = foretell(front.announcements(), {"mini": last.ahead + 1})["mini"].eta_s(last.ahead, STEPS)
    front.wait_for(jobs[-1], JobStatus.SUCCEEDED)

    assert eta_s is not None
    assert 1 / 3 < eta_s / (time.monotonic() - asked_at) < 3


def announcement(worker: QueueWorker) -> Announcement:
    return Announcement(
        worker=worker.name,
        started_at=datetime.now(UTC),
        device="cpu",
        dtype="float32",
        capacity=worker.capacity,
        running=len(worker.claims),
        models=["mini"],
        modules=[],
        never_stacked=[],
        paces=worker.pacer.paces,
    )
