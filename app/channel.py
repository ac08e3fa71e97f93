import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, cast

from redis.asyncio import Redis

from app.contract import names
from app.contract.events import Event, EventId, EventType
from app.contract.job import JobRecord

KEPT = 64  # events; who is further behind reads the stream
START = EventId(0, 0)
FIRST = EventId(0, 1)  # comes before all ids that Redis gives


class Channel:
    """The newest events of one job, as this process has heard them: for all who listen to it here.

    There is no queue for each listener, but an id that he has come to: a slow one costs nothing.
    """

    def __init__(self, job: JobRecord) -> None:
        self.job = job
        self.key = names.events_key(job.record_id)
        self.listeners = 0
        self.changed = asyncio.Event()  # another one after each change
        self._events: deque[Event] = deque()
        self._whole_after = START  # who has come here or further finds all that came later in `_events`
        self._confirmations = self._read_confirmations = 0
        self._lock = asyncio.Lock()
        self._last: JobRecord | None = None
        self._looks_after_end = 0

    def confirm(self) -> None:
        """From now on all is heard; what was said before has to be read."""
        self._confirmations += 1
        self.wake()

    def hear(self, event: Event) -> None:
        if event.id > self.newest:
            self._events.append(event)
            if len(self._events) > KEPT:
                self._whole_after = self._events.popleft().id
            self.wake()

    def look(self, *, has_ended: bool) -> None:
        """Notes what the job's record says; that the job has ended may be about to be heard, so it counts twice."""
        self._looks_after_end = self._looks_after_end + 1 if has_ended else 0
        if self.is_over:
            self.wake()

    @property
    def is_over(self) -> bool:
        """Whether the job has ended and nobody told it."""
        return self._looks_after_end > 1

    @property
    def newest(self) -> EventId:
        return self._events[-1].id if self._events else FIRST

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    async def events_after(self, position: EventId, redis: Redis) -> list[Event] | None:
        """What came after the position; None if it does not reach back so far. Nothing until all is heard.

        Raises RedisError.
        """
        if not self._confirmations:
            return []
        if self._read_confirmations < self._confirmations:
            await self._read(redis)
        if position < self._whole_after:
            return None
        return [event for event in self._events if event.id > position]

    async def _read(self, redis: Redis) -> None:
        """Reads what the stream holds since nothing was heard; one listener does it for all."""
        async with self._lock:
            while self._read_confirmations < self._confirmations:
                confirmations = self._confirmations
                self._whole_after = START
                entries = await cast(Any, redis).xrevrange(self.key, count=KEPT)
                self._merge([Event.of_entry(*entry) for entry in reversed(entries)])
                self._read_confirmations = confirmations

    def _merge(self, read: list[Event]) -> None:
        begins = bool(read) and len(read) < KEPT and read[0].type == EventType.QUEUED
        reaches_back_to = START if begins else read[0].id if read else FIRST
        self._whole_after = max(self._whole_after, reaches_back_to)  # what was heard meanwhile may be more than is kept
        newest = read[-1].id if read else START
        self._events = deque([*read, *(event for event in self._events if event.id > newest)])

    async def last_record(self, read: Callable[[], Awaitable[JobRecord]]) -> JobRecord:
        """The job after its last event; one listener reads it for all."""
        async with self._lock:
            self._last = self._last or await read()
            return self._last
