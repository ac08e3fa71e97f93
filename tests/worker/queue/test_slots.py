import logging
import threading
from collections.abc import Iterator

import pytest

from tests.worker.queue.eventually import eventually
from worker.queue.slots import Slots


@pytest.fixture
def slots() -> Iterator[Slots]:
    slots = Slots(2)
    slots.open()
    yield slots
    slots.close()


def test_as_many_jobs_run_at_once_as_there_are_slots(slots: Slots) -> None:
    both_are_there = threading.Barrier(2, timeout=10)
    done: list[int] = []

    for _ in range(2):
        slots.run(lambda: done.append(both_are_there.wait()))

    eventually(lambda: sorted(done) == [0, 1])


def test_a_job_that_comes_to_no_end_leaves_its_slot_to_the_next(slots: Slots, caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError("a secret wish")

    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            slots.run(fail)
        slots.run(lambda: done.append(1))
        eventually(lambda: done)

    assert "ValueError" in caplog.text
    assert "wish" not in caplog.text


def test_its_threads_end_when_it_is_closed_and_a_stuck_job_keeps_no_process_alive() -> None:
    slots, before = Slots(1), set(threading.enumerate())
    slots.open()
    [thread] = set(threading.enumerate()) - before
    assert thread.daemon

    slots.close()

    thread.join(10)
    assert not thread.is_alive()
