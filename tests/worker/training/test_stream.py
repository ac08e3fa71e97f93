from concurrent.futures import Executor, ThreadPoolExecutor

import torch

from worker.training.chance import chance_for
from worker.training.scenes import WHOLE_WORLD, Variety
from worker.training.stream import BLOCK, Drawn, Pace, Stream

PACE = Pace(start=2, every=3, size=3)


def open_stream(drawers: Executor | None = None) -> Stream[Drawn]:
    return Stream("test", lambda step: WHOLE_WORLD if step > 6 else Variety(), lambda drawn: drawn, PACE, 16, drawers)


def scenes_of(stream: Stream[Drawn]) -> list[list[object]]:
    return [list(drawn.scenes) for drawn in stream.window]


def test_the_window_slides() -> None:
    stream = open_stream()

    stream.advance(0)
    at_start = scenes_of(stream)
    stream.advance(7)
    later = scenes_of(stream)

    assert len(at_start) == PACE.start
    assert len(later) == PACE.size
    assert later[0] == at_start[1]


def test_a_resumed_stream_holds_what_the_other_held() -> None:
    walked, jumped = open_stream(), open_stream()

    for step in range(11):
        walked.advance(step)
    jumped.advance(10)

    assert scenes_of(walked) == scenes_of(jumped)


def test_scenes_drawn_ahead_are_the_same_scenes() -> None:
    alone = open_stream()
    alone.advance(5)

    with ThreadPoolExecutor(2) as drawers:
        helped = open_stream(drawers)
        helped.advance(5)
        drawers.shutdown(cancel_futures=True)

    assert scenes_of(helped) == scenes_of(alone)
    assert all(torch.equal(a.images, b.images) for a, b in zip(alone.window, helped.window, strict=True))


def test_a_stage_begins_with_the_blocks_that_are_new_then() -> None:
    stream = open_stream()

    stream.advance(10)
    oldest, newest = stream.window[0], stream.window[-1]

    assert all(len(scene.things) == 1 for scene in oldest.scenes)
    assert any(len(scene.things) == 2 for scene in newest.scenes)


def test_lots_are_drawn_from_the_window() -> None:
    stream = open_stream()
    stream.advance(0)

    lots = stream.choose(50, chance_for("lots"))

    assert {id(drawn) for drawn, _ in lots} == {id(drawn) for drawn in stream.window}
    assert all(0 <= index < BLOCK for _, index in lots)
