import pytest
from redis import Redis

from tests.worker.queue.front import Front
from worker.queue import Claim, QueueWorker
from worker.queue.ledger import Ledger


@pytest.fixture
def claim(front: Front, redis: Redis) -> Claim:
    front.admit()
    [claim] = Ledger(redis, "darkroom-a", QueueWorker(["mini"], connection=redis).queues, lease_s=60).claim(1, 0)
    return claim


def test_a_lost_job_is_stopped_once(claim: Claim) -> None:
    stops: list[str] = []
    claim.when_lost(lambda: stops.append("stop"))

    claim.lose()
    claim.lose()

    assert stops == ["stop"]


def test_a_job_that_was_lost_before_it_could_be_stopped_is_stopped_at_once(claim: Claim) -> None:
    stops: list[str] = []
    claim.lose()

    claim.when_lost(lambda: stops.append("stop"))

    assert stops == ["stop"]


def test_progress_is_news_once(claim: Claim) -> None:
    assert claim.news() == (b"", b"")

    claim.report(3, 20)

    progress = b'{"step": 3, "total_steps": 20}'
    assert claim.news() == (b'{"progress": %b}' % progress, progress)
    assert claim.news() == (b"", b"")
