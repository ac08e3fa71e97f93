import json
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from io import BytesIO

import pytest
import torch
from PIL import Image

from app.contract import logs
from worker.pipelines.preview_watch import PreviewWatch
from worker.pipelines.previews import Previewer

SOON_S = 30.0
PREVIEWER = Previewer(torch.zeros(5, 3), scale=1, contrast=1.0)
LATENTS = torch.randn(1, 4, 8, 16)


@pytest.fixture
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


class Album:
    """Keeps the previews, and takes its time if the test wants it so."""

    def __init__(self) -> None:
        self.pictures: dict[int, bytes] = {}
        self.threads: set[int] = set()
        self.taking, self.may_take = threading.Event(), threading.Event()
        self.may_take.set()

    def take(self, step: int, _total_steps: int, content: bytes) -> None:
        self.taking.set()
        assert self.may_take.wait(SOON_S)
        self.pictures[step] = content
        self.threads.add(threading.get_ident())


@pytest.fixture
def album() -> Album:
    return Album()


def watching(album: Album, executor: Executor, number: int = 100) -> PreviewWatch:
    return PreviewWatch(PREVIEWER, (128, 64), number, album.take, executor)


def settled(executor: Executor) -> None:
    executor.submit(lambda: None).result(SOON_S)


@pytest.mark.parametrize(
    ("number", "total", "expected"),
    [(1, 20, [10]), (3, 20, [5, 10, 15]), (2, 7, [3, 5]), (3, 4, [1, 2, 3]), (10, 4, [1, 2, 3]), (10, 1, [])],
)
def test_so_many_previews_come_evenly_before_the_last_step_which_the_picture_follows(
    album: Album, executor: Executor, number: int, total: int, expected: list[int]
) -> None:
    with watching(album, executor, number) as watch:
        for step in range(1, total + 1):
            watch.on_step(step, total, LATENTS)
            settled(executor)

    assert sorted(album.pictures) == expected
    assert {Image.open(BytesIO(picture)).size for picture in album.pictures.values()} <= {(16, 8)}
    assert threading.get_ident() not in album.threads


def test_the_end_of_a_run_waits_for_no_preview(album: Album, executor: Executor) -> None:
    album.may_take.clear()

    with watching(album, executor) as watch:
        watch.on_step(1, 3, LATENTS)
        assert album.taking.wait(SOON_S)
    album.may_take.set()
    settled(executor)

    assert sorted(album.pictures) == [1]


def test_the_engine_waits_for_no_preview_and_they_come_in_their_order(album: Album) -> None:
    album.may_take.clear()

    with ThreadPoolExecutor(4) as executor, watching(album, executor) as watch:
        for step in range(1, 11):
            watch.on_step(step, 20, LATENTS)
        album.may_take.set()
        executor.shutdown(wait=True)

    assert list(album.pictures) == list(range(1, 11))


def test_latents_that_change_afterwards_do_not_change_their_preview(album: Album, executor: Executor) -> None:
    latents, gate = LATENTS.clone(), threading.Event()
    executor.submit(gate.wait, SOON_S)

    with PreviewWatch(Previewer(torch.eye(5, 3), 1, 1.0), (128, 64), 2, album.take, executor) as watch:
        watch.on_step(1, 3, latents)
        latents.fill_(-100)
        gate.set()
        settled(executor)

    assert max(Image.open(BytesIO(album.pictures[1])).convert("L").tobytes()) > 0


def test_no_preview_is_begun_after_the_run_is_over(album: Album, executor: Executor) -> None:
    gate = threading.Event()
    executor.submit(gate.wait, SOON_S)

    with watching(album, executor) as watch:
        watch.on_step(1, 3, LATENTS)
    gate.set()
    settled(executor)

    assert album.pictures == {}


def test_a_preview_that_fails_is_logged_and_harms_nobody(
    album: Album, executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(logs.JsonLines())
    with logs.about(job_id="mine"), watching(album, executor) as watch:
        engine = threading.Thread(target=watch.on_step, args=(1, 3, torch.zeros(1, 4, 5, 5)))
        engine.start()
        engine.join()
        settled(executor)
        watch.on_step(2, 3, LATENTS)
        settled(executor)

    assert sorted(album.pictures) == [2]
    line = json.loads(caplog.text)
    assert (line["message"], line["job_id"]) == ("A preview could not be made.", "mine")
