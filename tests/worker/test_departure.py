import threading
from concurrent.futures import CancelledError, Future
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from worker.departure import Departure, departing

SOON_S = 30.0


def images(output: Any) -> torch.Tensor:
    return output.images


def test_what_departs_arrives_as_it_was() -> None:
    tensor = torch.rand(2, 3)

    assert Departure(tensor).arrive().equal(tensor)


def test_the_departure_is_marked_in_the_thread_that_ends_the_run() -> None:
    run: Future[Any] = Future()
    marked_in: list[str] = []

    def result(output: Any) -> torch.Tensor:
        marked_in.append(threading.current_thread().name)
        return output.images

    departure = departing(run, result)
    engine = threading.Thread(target=lambda: run.set_result(SimpleNamespace(images=torch.ones(1))), name="engine")
    engine.start()

    assert departure.result(SOON_S).arrive() == 1
    assert marked_in == ["engine"]


def test_a_departure_fails_as_its_run_fails() -> None:
    run: Future[Any] = Future()
    departure = departing(run, images)

    run.set_exception(ValueError("the run's own"))

    with pytest.raises(ValueError, match="the run's own"):
        departure.result(SOON_S)


def test_a_departure_is_cancelled_with_its_run() -> None:
    run: Future[Any] = Future()
    departure = departing(run, images)

    run.cancel()

    with pytest.raises(CancelledError):
        departure.result(SOON_S)
