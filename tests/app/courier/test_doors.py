import asyncio
from contextlib import AsyncExitStack

import pytest

from app.courier import doors
from app.courier.doors import Doors, Full

PLACES, MOST_PRESENT = 8, 48


async def visit(doors: Doors, receiver: str, inside: list[str], leave: asyncio.Event) -> None:
    async with doors.visit(receiver):
        inside.append(receiver)
        await leave.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.anyio
async def test_so_many_are_inside_and_those_who_wait_follow() -> None:
    place, leave = Doors(PLACES, MOST_PRESENT), asyncio.Event()
    inside: list[str] = []
    visits = [asyncio.create_task(visit(place, "a", inside, leave)) for _ in range(MOST_PRESENT)]
    await settle()
    before = len(inside)

    leave.set()
    await asyncio.gather(*visits)

    assert (before, len(inside)) == (PLACES, MOST_PRESENT)


@pytest.mark.anyio
async def test_one_full_door_leaves_the_others_open() -> None:
    place, leave = Doors(PLACES, MOST_PRESENT), asyncio.Event()
    inside: list[str] = []
    visits = [asyncio.create_task(visit(place, "a", inside, leave)) for _ in range(MOST_PRESENT)]
    await settle()

    with pytest.raises(Full):
        await visit(place, "a", inside, leave)
    visits.append(asyncio.create_task(visit(place, "b", inside, leave)))
    await settle()

    assert inside[-1] == "b"
    leave.set()
    await asyncio.gather(*visits)


@pytest.mark.anyio
async def test_who_is_sent_away_comes_again_when_a_place_will_be_free() -> None:
    async with AsyncExitStack() as stack:
        place = Doors(PLACES, MOST_PRESENT)
        for _ in range(PLACES):
            await stack.enter_async_context(place.visit("slow"))
        place._doors["slow"].visit_s = 16.0  # as after some time-outs

        waits = []
        for _ in range(2_000):
            with pytest.raises(Full) as full:
                await stack.enter_async_context(place.visit("slow"))
            waits.append(full.value.again_in_s)

    assert waits[0] == pytest.approx(1 + 16 / PLACES, abs=0.2)
    assert waits[1] - waits[0] == pytest.approx(16 / PLACES, abs=0.2)
    assert waits[-1] == pytest.approx(300, abs=0.2)


@pytest.mark.anyio
async def test_nobody_waits_long_at_a_door_that_has_turned_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "WAIT_S", 0.15)
    async with AsyncExitStack() as stack:
        place = Doors(PLACES, MOST_PRESENT)
        for _ in range(PLACES):
            await stack.enter_async_context(place.visit("slow"))

        with pytest.raises(Full):
            await asyncio.wait_for(stack.enter_async_context(place.visit("slow")), 5)

    async with place.visit("slow"):  # whoever was sent away has left no place taken
        assert place._doors["slow"].present == 1


@pytest.mark.anyio
async def test_doors_where_nobody_stands_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MOST_DOORS", 10)
    place = Doors(PLACES, MOST_PRESENT)

    for n in range(100):
        async with place.visit(f"receiver {n}"):
            pass

    assert len(place._doors) <= 12
