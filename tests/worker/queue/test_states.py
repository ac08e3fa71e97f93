"""Whatever happens to jobs and workers, in whatever order: the promises of the queue, on a real Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import pytest
import redis.asyncio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis import Redis
from rq.job import Job

from app.contract.catalogue import Catalogue
from app.contract.errors import QueueFull
from app.contract.generation import GenerationRequest
from app.contract.job import JobStatus
from app.contract.job_store import JobStore
from app.contract.names import OPEN_TENANT
from app.contract.queues import QueueCounts, Queues
from tests.chaos.census import places
from tests.redis_server import RedisServer
from tests.worker.queue.hand import Hand
from worker.queue.claim import DEATHS_ALONE, DEATHS_MAX, Claim

End = Callable[[Hand, Claim], bool]

ROOM = 4
JOBS = st.sampled_from([f"job-{n}" for n in range(7)])
WORKERS = st.sampled_from(["darkroom-a", "darkroom-b"])
ENDS: dict[End, JobStatus] = {
    Hand.finish: JobStatus.SUCCEEDED,
    Hand.fail: JobStatus.FAILED,
    Hand.give_back: JobStatus.QUEUED,
}
OWNERSHIP = ("darkroom:lease:*", "rq:execution*", "rq:wip*", "rq:worker:*:executions")
GENERATION = Catalogue.read().find(None).fill(GenerationRequest(prompt="a cat", seed=7))


@dataclass
class Expected:
    """What a job must be after all that has happened to it."""

    status: JobStatus = JobStatus.QUEUED
    owner: str = ""
    entry: str = ""  # of the run that owns it
    attempt: int = 0
    deaths: int = 0

    def leave(self, status: JobStatus) -> None:
        self.status, self.owner, self.entry = status, "", ""


@dataclass
class Colleague:
    """A worker with what it believes to have in hand; it may have been taken for dead meanwhile."""

    hand: Hand
    claims: list[Claim] = field(default_factory=list)


class Books(RuleBasedStateMachine):
    """The queue beside a dictionary that says what must be in it."""

    server: ClassVar[RedisServer]

    def __init__(self) -> None:
        super().__init__()
        self._redis = Redis.from_url(self.server.url)
        self._redis.flushall()
        self._runner = asyncio.Runner()
        self._client = redis.asyncio.Redis.from_url(self.server.url)
        self._store = JobStore(self._client, max_queued=ROOM, retention_s=600, job_timeout_s=60)
        self._queues = Queues(self._client, retention_s=600)
        self._workers: dict[str, Colleague] = {}
        self._alive: set[str] = set()
        self._jobs: dict[str, Expected] = {}
        self._past: list[tuple[Hand, Claim]] = []

    @rule(job_id=JOBS)
    def submit(self, job_id: str) -> None:
        """The same id again gives the job that is there; beyond the room there is none."""
        if job_id not in self._jobs and len(self._with(JobStatus.QUEUED)) >= ROOM:
            with pytest.raises(QueueFull):
                self._ask(self._store.admit(GENERATION, job_id, tenant=OPEN_TENANT))
        else:
            record = self._ask(self._store.admit(GENERATION, job_id, tenant=OPEN_TENANT))
            assert record.status is self._jobs.setdefault(job_id, Expected()).status

    @rule(job_id=JOBS)
    def cancel(self, job_id: str) -> None:
        if expected := self._jobs.get(job_id):
            if not expected.status.is_terminal:
                expected.leave(JobStatus.CANCELED)
            assert self._ask(self._store.cancel(job_id, tenant=OPEN_TENANT)).status is expected.status

    @rule(name=WORKERS, free=st.integers(1, 3), is_answered=st.booleans())
    def claim(self, name: str, free: int, is_answered: bool) -> None:
        """Without an answer the jobs are the worker's all the same, and it does not know."""
        worker, waiting = self._worker(name), self._with(JobStatus.QUEUED)
        claims = worker.hand.claim(free, len(worker.claims))
        if all(self._jobs[job_id].deaths < DEATHS_ALONE for job_id in waiting):
            assert len(claims) == min(free, len(waiting))
        for claim in claims:
            expected = self._jobs[claim.job_id]
            assert claim.job_id in waiting
            assert (claim.attempt, claim.deaths) == (expected.attempt + 1, expected.deaths)
            assert claim.deaths < DEATHS_ALONE or (len(claims) == 1 and not worker.claims)
            expected.status, expected.owner, expected.entry = JobStatus.RUNNING, name, claim.entry
            expected.attempt += 1
        worker.claims += claims if is_answered else []

    @rule(name=WORKERS)
    def take_strays(self, name: str) -> None:
        worker = self._workers.setdefault(name, Colleague(Hand(self._redis, name, ["mini"])))
        strays = worker.hand.ledger.take_strays(worker.claims)
        owned = {each.entry for each in self._jobs.values() if each.owner == name}
        assert {claim.entry for claim in strays} == owned - {claim.entry for claim in worker.claims}
        worker.claims += sorted(strays, key=lambda stray: stray.job_id)  # the same in each run

    @rule(name=WORKERS, end=st.sampled_from(list(ENDS)), which=st.integers(0, 9))
    def end(self, name: str, end: End, which: int) -> None:
        """Only the owner of a job ends it."""
        worker = self._workers.get(name)
        if worker and worker.claims:
            claim = worker.claims.pop(which % len(worker.claims))
            expected = self._jobs[claim.job_id]
            is_owner = expected.entry == claim.entry
            assert end(worker.hand, claim) is is_owner
            if is_owner:
                expected.leave(ENDS[end])
                expected.attempt -= end is Hand.give_back
            self._past.append((worker.hand, claim))

    @precondition(lambda self: self._past)
    @rule(end=st.sampled_from(list(ENDS)), which=st.integers(0, 99))
    def end_again(self, end: End, which: int) -> None:
        assert not end(*self._past[which % len(self._past)])

    @rule(name=WORKERS)
    def beat(self, name: str) -> None:
        worker = self._worker(name)
        _, lost = worker.hand.beat(worker.claims)
        assert lost == [claim for claim in worker.claims if self._jobs[claim.job_id].entry != claim.entry]
        worker.claims = [claim for claim in worker.claims if claim not in lost]
        self._past += [(worker.hand, claim) for claim in lost]

    @rule(name=WORKERS)
    def vanish(self, name: str) -> None:
        """A worker is killed or paused: its lease ends without a word."""
        if worker := self._workers.get(name):
            worker.hand.die()
            self._alive.discard(name)

    @rule(name=WORKERS)
    def reap(self, name: str) -> None:
        hand = self._worker(name).hand
        orphans = [job_id for job_id, each in self._jobs.items() if each.owner and each.owner not in self._alive]
        assert sorted(hand.ledger.reap()) == sorted(orphans)
        for job_id in orphans:
            expected = self._jobs[job_id]
            expected.deaths += 1
            if expected.deaths < DEATHS_MAX:
                expected.leave(JobStatus.QUEUED)
            else:
                expected.owner, expected.entry = name, f"{expected.entry}-{expected.deaths}"  # it is to fail it

    @rule()
    def restart(self) -> None:
        """Redis is killed and started again."""
        self._redis.connection_pool.disconnect()
        self._ask(self._client.connection_pool.disconnect())
        self.server.kill()
        self.server.start()

    @invariant()
    def every_job_is_what_it_must_be(self) -> None:
        for job_id, expected in self._jobs.items():
            record = self._ask(self._store.find(job_id, tenant=OPEN_TENANT))
            assert (record.status, record.attempt) == (expected.status, expected.attempt)
            assert (self._redis.ttl(Job.key_for(job_id)) == -1) is not expected.status.is_terminal

    @invariant()
    def every_job_is_in_exactly_one_place(self) -> None:
        assert places(self._redis) == dict.fromkeys(self._jobs, 1)

    @invariant()
    def every_job_is_published_once_or_not_yet(self) -> None:
        published = {job_id: self._redis.xlen(f"rq:results:{job_id}") for job_id in self._jobs}
        ends = (JobStatus.SUCCEEDED, JobStatus.FAILED)
        assert published == {job_id: int(each.status in ends) for job_id, each in self._jobs.items()}

    @invariant()
    def what_is_owned_is_what_runs(self) -> None:
        running = {each.entry for each in self._jobs.values() if each.entry}
        assert {key.removeprefix("rq:execution:") for key in self._keys("rq:execution:*")} == running
        indexes = [f"rq:worker:{name}:executions" for name in self._workers]
        assert {entry.decode() for key in indexes for entry in cast(Any, self._redis).smembers(key)} == running

    @invariant()
    def the_counts_are_true(self) -> None:
        counts = self._ask(self._queues.counts(["mini"]))["mini"]
        assert counts == QueueCounts(
            **{status: len(self._with(JobStatus(status))) for status in QueueCounts.model_fields}
        )

    def teardown(self) -> None:
        try:
            self._end_all()
        finally:
            self._ask(self._client.aclose())
            self._runner.close()
            self._redis.close()

    def _end_all(self) -> None:
        """Whatever has happened, a worker that comes then ends every job, and nothing is left of the others."""
        for name in list(self._workers):
            self.vanish(name)
        last = Hand(self._redis, "darkroom-last", ["mini"])
        last.ledger.reap()
        for stray in last.ledger.take_strays([]):
            assert last.fail(stray)
        while claims := last.claim():
            assert last.finish(claims[0])
        last.ledger.leave()
        ended = [self._ask(self._store.find(job_id, tenant=OPEN_TENANT)).status.is_terminal for job_id in self._jobs]
        assert all(ended)
        assert [key for pattern in OWNERSHIP for key in self._keys(pattern)] == []

    def _worker(self, name: str) -> Colleague:
        """It is taken for alive from now on: all that a worker does renews its lease."""
        self._alive.add(name)
        return self._workers.setdefault(name, Colleague(Hand(self._redis, name, ["mini"])))

    def _with(self, status: JobStatus) -> list[str]:
        return [job_id for job_id, each in self._jobs.items() if each.status is status]

    def _keys(self, pattern: str) -> list[str]:
        return [key.decode() for key in cast(Any, self._redis).keys(pattern)]

    def _ask(self, question: Awaitable[Any]) -> Any:
        async def ask() -> Any:
            return await question

        return self._runner.run(ask())


def test_no_order_of_events_breaks_a_promise_of_the_queue(own_redis: RedisServer) -> None:
    class Here(Books):
        server = own_redis

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
