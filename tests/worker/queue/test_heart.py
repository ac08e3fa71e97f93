from collections.abc import Iterator

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.worker.queue.eventually import eventually
from worker.queue.heart import Heart


@pytest.mark.parametrize("fault", [RedisConnectionError("away"), ValueError("a bug in a callback")])
def test_a_heart_goes_on_after_a_fault(fault: Exception) -> None:
    beats: list[int] = []

    def beat() -> None:
        beats.append(len(beats))
        if len(beats) == 1:
            raise fault

    heart = Heart(beat, pause_s=lambda: 0.01)
    heart.start()

    eventually(lambda: len(beats) > 2)
    heart.stop()
    assert not heart.is_alive()


@pytest.fixture
def slow_heart() -> Iterator[tuple[Heart, list[None]]]:
    beats: list[None] = []
    heart = Heart(lambda: beats.append(None), pause_s=lambda: 3_600.0)
    heart.start()
    yield heart, beats
    heart.stop()


def test_a_heart_beats_when_it_is_told_to(slow_heart: tuple[Heart, list[None]]) -> None:
    heart, beats = slow_heart
    eventually(lambda: len(beats) == 1)

    heart.beat_now()

    eventually(lambda: len(beats) == 2)
