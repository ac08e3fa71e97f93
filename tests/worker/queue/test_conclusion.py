from functools import partial

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from app.contract.job import JobStatus
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand
from tests.worker.queue.studio import StartWorker, Studio
from worker.queue import Claim, endings
from worker.queue.conclusion import conclude
from worker.queue.ledger import Commands, Ledger


class LossyLedger(Ledger):
    """Its first commit happens, and the reply to it is lost."""

    has_lost = False

    def commit(self, claim: Claim, commands: Commands) -> bool:
        is_written = super().commit(claim, commands)
        if not self.has_lost:
            self.has_lost = True
            raise RedisConnectionError("The reply is lost.")
        return is_written


@pytest.fixture
def hand(redis: Redis) -> Hand:
    return Hand(redis, "darkroom-a", ["mini"])


@pytest.mark.parametrize("is_erased", [False, True])
def test_what_was_made_of_a_job_that_was_taken_away_while_it_ran_is_discarded(
    front: Front, start_worker: StartWorker, studio: Studio, is_erased: bool
) -> None:
    discarded: list[tuple[str, bool]] = []
    gone, stays = front.admit(), front.admit()
    start_worker(studio.develop, discard=lambda claim: discarded.append((claim.job_id, claim.is_erased)))
    eventually(lambda: len(studio.seen) == 2)

    (front.erase if is_erased else front.cancel)(gone)
    eventually(lambda: studio.stopped == [gone])
    studio.door.set()

    eventually(lambda: discarded)
    front.wait_for(stays, JobStatus.SUCCEEDED)
    assert discarded == [(gone, is_erased)]


def test_a_published_result_is_kept_when_the_reply_to_its_commit_was_lost(
    front: Front, redis: Redis, hand: Hand
) -> None:
    discarded: list[Claim] = []
    front.admit()
    [claim] = hand.claim()
    ledger = LossyLedger(redis, hand.worker.name, hand.worker.queues, lease_s=60)
    commands = ledger.prepare(partial(endings.success, hand.worker, claim, {"images": []}))

    conclude(ledger, claim, commands, discarded.append, has_left=lambda: False)

    assert ledger.has_lost
    assert discarded == []


def test_a_zombie_discards_its_own_and_not_what_the_next_run_has_published(
    front: Front, redis: Redis, hand: Hand
) -> None:
    discarded: list[str] = []
    front.admit()
    [zombie] = hand.claim()
    hand.die()
    other = Hand(redis, "darkroom-b", ["mini"])
    other.ledger.reap()
    [claim] = other.claim()
    assert other.finish(claim)
    commands = hand.ledger.prepare(partial(endings.success, hand.worker, zombie, {"images": []}))

    conclude(hand.ledger, zombie, commands, lambda each: discarded.append(each.execution_id), has_left=lambda: False)

    assert discarded == [zombie.execution_id]
