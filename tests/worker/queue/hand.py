from functools import partial

from redis import Redis
from rq.worker.base import BaseWorker

from app.contract import names
from worker.queue import QueueWorker, endings
from worker.queue.claim import Claim
from worker.queue.ledger import Ledger


class Hand:
    """A worker whose every move is the test's."""

    def __init__(self, redis: Redis, name: str, models: list[str]) -> None:
        self._redis = redis
        self.worker: BaseWorker = QueueWorker(models, name, connection=redis)
        self.ledger = Ledger(redis, name, self.worker.queues, lease_s=60)

    def claim(self, free: int = 1, in_flight: int = 0) -> list[Claim]:
        return self.ledger.claim(free, in_flight)

    def claim_ids(self, free: int = 1, in_flight: int = 0) -> list[str]:
        return [claim.job_id for claim in self.claim(free, in_flight)]

    def finish(self, claim: Claim) -> bool:
        return self.ledger.commit(
            claim, self.ledger.prepare(partial(endings.success, self.worker, claim, {"images": []}))
        )

    def fail(self, claim: Claim) -> bool:
        return self.ledger.commit(
            claim, self.ledger.prepare(partial(endings.failure, self.worker, claim, RuntimeError()))
        )

    def give_back(self, claim: Claim) -> bool:
        return self.ledger.commit(claim, self.ledger.prepare(partial(endings.give_back, self.worker, claim)))

    def beat(self, claims: list[Claim]) -> tuple[bool, list[Claim]]:
        return self.ledger.beat(claims, "", "busy")

    def die(self) -> None:
        self._redis.delete(names.lease_key(self.worker.name))
