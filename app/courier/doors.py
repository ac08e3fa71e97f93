"""How many deliveries stand before one receiver at once: who answers slowly, or never, delays nobody else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

PLACES = 8  # at a receiver's door
WAIT_S = 1.0  # as many more may wait as will have their turn in so long,
MOST_PRESENT = 48  # as long as this courier has room for deliveries to others
COME_AGAIN_S = (1.0, 300.0)  # at the earliest and at the latest
MEMORY = 0.8  # of how long the last visits took
MOST_DOORS = 10_000


class Full(Exception):
    """Raised when too many stand before a door; says when to come again."""

    def __init__(self, again_in_s: float) -> None:
        super().__init__("Too many deliveries to this receiver are under way.")
        self.again_in_s = again_in_s


@dataclass
class _Door:
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PLACES))
    present: int = 0
    visit_s: float = 0.1  # what a visit takes, of late
    next_free_at: float = 0.0  # for those who were sent away, one after the other


class Doors:
    """Lets so many through to each receiver; lives in one event loop."""

    def __init__(self) -> None:
        self._doors: dict[str, _Door] = {}

    @asynccontextmanager
    async def visit(self, receiver: str) -> AsyncIterator[None]:
        """Raises Full."""
        door = self._door(receiver)
        if door.present >= min(int(PLACES * (1 + WAIT_S / door.visit_s)), MOST_PRESENT):
            raise Full(_again_in_s(door))
        door.present += 1
        try:
            await self._enter(door)
            began = time.monotonic()
            try:
                yield
            finally:
                door.places.release()
                door.visit_s = MEMORY * door.visit_s + (1 - MEMORY) * (time.monotonic() - began)
        finally:
            door.present -= 1

    async def _enter(self, door: _Door) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                await door.places.acquire()
        except TimeoutError:
            raise Full(_again_in_s(door)) from None

    def _door(self, receiver: str) -> _Door:
        if len(self._doors) > MOST_DOORS:
            self._doors = {name: door for name, door in self._doors.items() if door.present}
        return self._doors.setdefault(receiver, _Door())


def _again_in_s(door: _Door) -> float:
    """When a place will be free, if every visit takes as long as the last ones did."""
    earliest_s, latest_s = COME_AGAIN_S
    now = time.monotonic()
    door.next_free_at = min(max(door.next_free_at, now + earliest_s) + door.visit_s / PLACES, now + latest_s)
    return door.next_free_at - now
