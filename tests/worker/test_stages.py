import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from worker.stages import NAMES, Stages


class Clock:
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self._seconds: Iterator[int] = iter(range(1_000))

    def __call__(self) -> float:
        return next(self._seconds)


def test_each_stage_begins_as_the_one_before_it_ends() -> None:
    stages = Stages(datetime.now(UTC) - timedelta(seconds=7))
    stages.end("load")
    for _ in range(3):
        stages.step()
    stages.end_run()
    stages.end("save")

    assert tuple(stages.seconds) == NAMES
    assert stages.seconds["queue"] == pytest.approx(7, abs=0.1)
    assert [one.ended for one in stages.ended[:-1]] == [other.began for other in stages.ended[1:]]
    assert stages.ended[-1].ended == pytest.approx(time.time(), abs=0.1)
    assert sum(stages.steps_s) == pytest.approx(stages.seconds["denoise"])


def test_the_run_is_parted_at_its_first_step_and_its_last() -> None:
    stages = Stages(clock=Clock())  # began at 1
    stages.end("load")  # 2
    for _ in range(4):
        stages.step()  # 3, 4, 5, 6
    stages.end_run()  # 7

    assert stages.seconds == pytest.approx({"load": 1, "encode": 1, "denoise": 3, "decode": 1})
    assert stages.steps_s == pytest.approx([1, 1, 1])


def test_a_pipeline_that_tells_no_steps_denoises_all_the_time() -> None:
    stages = Stages(clock=Clock())
    stages.end("load")
    stages.end_run()

    assert stages.seconds == pytest.approx({"load": 1, "denoise": 1})
    assert stages.steps_s == []


def test_another_clock_that_is_ahead_makes_no_wait_negative() -> None:
    stages = Stages(datetime.now(UTC) + timedelta(seconds=60))

    assert stages.seconds == {"queue": 0}
