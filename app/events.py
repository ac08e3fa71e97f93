"""What happens to jobs, told to all who listen to it in this process; see app.contract.events for how it is written."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.channel import FIRST, START, Channel
from app.contract import names
from app.contract.errors import RedisUnavailable, RequestRejected
from app.contract.events import LAST, Event, EventId, EventType
from app.contract.job import JobRecord
from app.contract.job_store import JobStore
from app.contract.redis_errors import redis_errors
from app.subscriptions import Subscriptions

AT_ONCE = 100  # events that are read from a stream
AGAIN_S = 0.5
LOOK_S = 15.0  # what rq's own tools end, and a deadline that passes, is told by nobody


class Events:
    """Follows jobs. However many listen, there is one connection that hears, and a job is read once for all of them."""

    def __init__(self, redis: Redis, store: JobStore) -> None:
        self._redis = redis
        self._store = store
        self._channels: dict[str, Channel] = {}
        self._subscriptions = Subscriptions(redis, self._confirm, self._hear)
        self._is_closing = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Events"]:
        tasks = [asyncio.create_task(each) for each in (self._subscriptions.listen(), self._look_after_all())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def close(self) -> None:
        """Ends whatever follows a job: this process is to stop, and another one can go on."""
        self._is_closing = True
        for channel in self._channels.values():
            channel.wake()

    async def follow(
        self, job: JobRecord, after: EventId = START, *, ping_s: float | None = None
    ) -> AsyncGenerator[Event, None]:
        """What has happened to the job since then and what happens to it now, until it ends, each event once.

        Events that are not kept any more are made up for by a snapshot. A last event and a snapshot bring the job's
        record, if the job is not erased. With `ping_s` a ping comes whenever nothing has happened for so long.
        """
        position = after
        with self._channel(job) as channel:
            while not self._is_closing:
                changed = channel.changed  # before looking: what happens meanwhile is not missed
                try:
                    news = await self._news(channel, position)
                except (RedisError, RedisUnavailable):
                    await asyncio.sleep(AGAIN_S)
                    continue
                except RequestRejected:
                    return  # it is erased
                for event in news:
                    yield event
                    position = event.id
                    if event.is_last:
                        return
                if not news and not await _is_set(changed, ping_s):
                    yield Event(position, EventType.PING, {})

    async def wait_for_end(self, job: JobRecord, timeout_s: float) -> JobRecord:
        """The job as it is when it has ended, or after so long.

        Raises RequestRejected if it is erased meanwhile, and RedisUnavailable.
        """
        if job.status.is_terminal:
            return job
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), aclosing(self.follow(job)) as events:
                async for event in events:
                    if event.is_last and event.record:
                        return event.record
        return await self._find(job)

    async def wait_for_change(self, job: JobRecord, is_new: Callable[[JobRecord], bool], timeout_s: float) -> JobRecord:
        """The job as soon as it is new, or as it is after so long.

        Raises RequestRejected if it is erased meanwhile, and RedisUnavailable.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                seen = await self._newest(job)  # before the job is read, so that no change is missed
                job = await self._find(job)
                async with aclosing(self.follow(job, seen)) as events:
                    while not is_new(job) and (event := await anext(events, None)):
                        job = event.record or await self._find(job)
                return job
        return await self._find(job)

    async def are_told(self, job: JobRecord, until: EventId) -> bool:
        """Whether the job has ended and nothing has happened to it since then.

        Raises RedisUnavailable.
        """
        if not job.status.is_terminal or until == START:
            return False
        with redis_errors():
            return not await self._read(job, until, 1)

    async def _news(self, channel: Channel, position: EventId) -> list[Event]:
        """Raises RedisError, RedisUnavailable, and RequestRejected if the job is erased and nothing was told of it."""
        news = await channel.events_after(position, self._redis)
        if news is None:
            news = await self._read_news(channel, position)
        if channel.is_over and not news:
            news = [await self._snapshot(channel)]
        return [await self._with_record(channel, event) for event in news]

    async def _read_news(self, channel: Channel, position: EventId) -> list[Event]:
        """What the stream holds after the position, or a snapshot if that is not kept any more."""
        oldest = await self._read(channel.job, START, 1)
        is_missing = not oldest or (oldest[0].id > position if position > START else oldest[0].type != EventType.QUEUED)
        return [await self._snapshot(channel)] if is_missing else await self._read(channel.job, position, AT_ONCE)

    async def _read(self, job: JobRecord, after: EventId, count: int) -> list[Event]:
        key = names.events_key(job.record_id)
        entries = await cast(Any, self._redis).xrange(key, min=f"({after}", count=count)
        return [Event.of_entry(*entry) for entry in entries]

    async def _newest(self, job: JobRecord) -> EventId:
        with redis_errors():
            entries = await cast(Any, self._redis).xrevrange(names.events_key(job.record_id), count=1)
        return Event.of_entry(*entries[0]).id if entries else FIRST

    async def _snapshot(self, channel: Channel) -> Event:
        newest = channel.newest  # before the job is read: what is told after it may be in it, and nothing is missing
        return Event(newest, EventType.SNAPSHOT, {}, await self._find(channel.job))

    async def _with_record(self, channel: Channel, event: Event) -> Event:
        if event.type not in LAST:
            return event
        with suppress(RequestRejected):
            return replace(event, record=await channel.last_record(partial(self._find, channel.job)))
        return event

    async def _find(self, job: JobRecord) -> JobRecord:
        return await self._store.find(job.id, tenant=job.tenant)

    @contextmanager
    def _channel(self, job: JobRecord) -> Iterator[Channel]:
        key = names.events_key(job.record_id)
        if not (channel := self._channels.get(key)):
            channel = self._channels[key] = Channel(job)
            self._subscriptions.add(key)
        channel.listeners += 1
        try:
            yield channel
        finally:
            channel.listeners -= 1
            if not channel.listeners:
                del self._channels[key]
                self._subscriptions.remove(key)

    def _confirm(self, key: str) -> None:
        if channel := self._channels.get(key):
            channel.confirm()

    def _hear(self, key: str, message: bytes) -> None:
        if channel := self._channels.get(key):
            with suppress(ValueError):  # anybody may publish anything
                channel.hear(Event.of_message(message))

    async def _look_after_all(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for channel in list(self._channels.values()):
                with suppress(RedisError, RedisUnavailable):
                    channel.look(has_ended=await self._has_ended(channel.job))

    async def _has_ended(self, job: JobRecord) -> bool:
        try:
            return (await self._find(job)).status.is_terminal
        except RequestRejected:
            return True


async def _is_set(event: asyncio.Event, timeout_s: float | None) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            return await event.wait()
    return False
