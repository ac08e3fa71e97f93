"""What the tests of events play on: jobs, a worker whose every move is the test's, and who listens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from redis import Redis

from app.channel import START
from app.contract import names
from app.contract.events import Event, EventId
from app.contract.job import JobRecord
from app.contract.job_store import JobStore
from app.events import Events
from app.redis_client import connect
from tests.app.contract.asked import generation
from tests.worker.queue.hand import Hand
from worker.queue import Claim


class Stage:
    def __init__(self, store: JobStore, events: Events, redis: Redis) -> None:
        self.store, self.events, self.redis = store, events, redis
        self.hand = Hand(redis, "darkroom-a", ["mini"])

    async def admit(self) -> JobRecord:
        return await self.store.admit(generation(), tenant=names.OPEN_TENANT)

    def start(self) -> Claim:
        [claim] = self.hand.claim()
        return claim

    def progress(self, claim: Claim, step: int) -> None:
        claim.report(step, 1_000)
        self.hand.beat([claim])

    async def listen(self, job: JobRecord, after: EventId = START, at_most: int = 10_000) -> list[Event]:
        heard: list[Event] = []
        async with aclosing(self.events.follow(job, after)) as following:
            async for event in following:
                heard.append(event)
                if len(heard) == at_most:
                    break
        return heard

    def told(self, job: JobRecord) -> list[EventId]:
        entries = cast(Any, self.redis).xrange(names.events_key(job.record_id))
        return [Event.of_entry(*entry).id for entry in entries]

    def listening_connections(self) -> int:
        return len([client for client in self.redis.client_list() if client["sub"] != "0"])

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(15):
            while not holds():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def stage_at(url: str) -> AsyncIterator[Stage]:
    async with connect(url) as client:
        store = JobStore(client, max_queued=1_000, retention_s=600, job_timeout_s=60)
        with Redis.from_url(url) as redis:
            async with Events(client, store).listening() as events:
                yield Stage(store, events, redis)
