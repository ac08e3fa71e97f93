"""How many deliveries are under way to one receiver, or of one tenant: who is slow to answer delays nobody else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

WAIT_S = 1.0  # beside those who are inside, as many may wait as will have their turn in so long
COME_AGAIN_S = (1.0, 300.0)  # at the earliest and at the latest
MEMORY = 0.8  # of how long the last visits took
SHORTEST_S = 1e-3
MOST_DOORS = 10_000


class Full(Exception):
    """Raised when too many stand before a door; says when to come again."""

    def __init__(self, again_in_s: float) -> None:
        super().__init__("Too many such deliveries are under way.")
        self.again_in_s = again_in_s


@dataclass
class _Door:
    places: asyncio.Semaphore
    present: int = 0
    visit_s: float = 0.1  # what a visit takes, of late
    next_free_at: float = 0.0  # for those who were sent away, one after the other


class Doors:
    """Lets so many through each door at once, and so many stand there in all; lives in one event loop."""

    def __init__(self, places: int, most_present: int) -> None:
        self._places = places
        self._most_present = most_present
        self._doors: dict[str, _Door] = {}

    @asynccontextmanager
    async def visit(self, name: str) -> AsyncIterator[None]:
        """Raises Full."""
        door = self._door(name)
        if door.present >= min(int(self._places * (1 + WAIT_S / door.visit_s)), self._most_present):
            raise Full(self._again_in_s(door))
        door.present += 1
        try:
            await self._enter(door)
            began = time.monotonic()
            try:
                yield
            finally:
                door.places.release()
                visit_s = max(time.monotonic() - began, SHORTEST_S)
                door.visit_s = MEMORY * door.visit_s + (1 - MEMORY) * visit_s
        finally:
            door.present -= 1

    async def _enter(self, door: _Door) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                await door.places.acquire()
        except TimeoutError:
            raise Full(self._again_in_s(door)) from None

    def _door(self, name: str) -> _Door:
        if len(self._doors) > MOST_DOORS:
            self._doors = {each: door for each, door in self._doors.items() if door.present}
        return self._doors.setdefault(name, _Door(asyncio.Semaphore(self._places)))

    def _again_in_s(self, door: _Door) -> float:
        """When a place will be free, if every visit takes as long as the last ones did."""
        earliest_s, latest_s = COME_AGAIN_S
        now = time.monotonic()
        door.next_free_at = min(max(door.next_free_at, now + earliest_s) + door.visit_s / self._places, now + latest_s)
        return door.next_free_at - now
