import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from tests.worker.engine.small_pipelines import Rows, sample
from worker.engine import DeadlinePassed, Engine
from worker.engine.admission import PATIENCE, Admission
from worker.engine.run import Run

SOON_S = 30.0


class Echo:
    """A pipeline without modules."""

    def __call__(self, name: str) -> str:
        return name


class Stay(Echo):
    """Stays in flight until it may leave."""

    def __init__(self) -> None:
        self.has_begun, self.may_leave = threading.Event(), threading.Event()

    def __call__(self, name: str) -> str:
        self.has_begun.set()
        assert self.may_leave.wait(SOON_S)
        return super().__call__(name)


class Stepping:
    """Asks its module again and again, so that the engine gets round to the others."""

    def __init__(self) -> None:
        self.module = Rows()

    def __call__(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            self.module(sample(0))


def run(memory: int, priority: int = 0) -> Run:
    return Run(Echo(), {}, frozenset(), [], priority=priority, memory=memory)


@pytest.fixture
def stay() -> Iterator[Stay]:
    stay = Stay()
    yield stay
    stay.may_leave.set()


@pytest.fixture
def engine(stay: Stay) -> Iterator[Engine]:
    with Engine(memory=10) as engine:
        yield engine
        stay.may_leave.set()


def occupied(engine: Engine, stay: Stay, memory: int) -> "Future[Any]":
    staying = engine.submit(stay, name="stay", memory=memory)
    assert stay.has_begun.wait(SOON_S)
    return staying


def test_runs_begin_while_they_fit_and_a_large_one_is_not_passed_by() -> None:
    admission = Admission(memory=10)
    small, large, late = run(4), run(8), run(1)
    admission.add([small, large, late])

    assert admission.admit([]) == [small]
    assert admission.admit([small]) == []
    assert admission.admit([]) == [large, late]


def test_a_higher_priority_begins_first() -> None:
    admission = Admission(memory=10)
    low, high = run(10, priority=-1), run(10, priority=1)
    admission.add([low, high])

    assert admission.admit([]) == [high]


def test_a_run_that_many_have_passed_begins_before_a_higher_priority() -> None:
    admission = Admission(memory=10)
    low = run(10, priority=-1)
    admission.add([low])

    passed_by = 0
    while low in admission.waiting:
        admission.add([run(10)])
        passed_by += low not in admission.admit([])

    assert passed_by == PATIENCE


@pytest.mark.parametrize("deadline", [None, 0.1])
def test_a_run_that_has_not_begun_ends_when_it_is_due(engine: Engine, stay: Stay, deadline: float | None) -> None:
    stepping = Stepping()
    engine.adopt(stepping)
    staying = engine.submit(stepping, is_over=stay.may_leave.is_set, memory=8)

    waiting = engine.submit(Echo(), name="late", memory=8, deadline=deadline)
    if deadline is None:
        waiting.cancel()
    wait([waiting], timeout=SOON_S)
    others = engine.runs
    stay.may_leave.set()

    with pytest.raises(CancelledError if deadline is None else DeadlinePassed):
        waiting.result(0)
    assert others == 1
    assert not staying.exception(SOON_S)


def test_a_lower_limit_waits_for_the_runs_that_have_more(engine: Engine, stay: Stay) -> None:
    staying = occupied(engine, stay, memory=8)

    engine.limit_memory(8)
    with ThreadPoolExecutor(1) as caller:
        lowering = caller.submit(engine.limit_memory, 7)
        wait([lowering], timeout=0.1)
        assert not lowering.done()
        stay.may_leave.set()
        lowering.result(SOON_S)

    assert staying.result(SOON_S) == "stay"


def test_a_run_that_fits_no_limit_is_made_alone(engine: Engine) -> None:
    echo = Echo()

    runs = [engine.submit(echo, name=name, memory=memory) for name, memory in (("a", 5), ("big", 99), ("b", 5))]

    assert [each.result(SOON_S) for each in runs] == ["a", "big", "b"]


def test_a_closed_engine_lets_nobody_wait_for_its_memory(stay: Stay) -> None:
    engine = Engine(memory=10)
    occupied(engine, stay, memory=8)
    with ThreadPoolExecutor(2) as callers:
        lowering = callers.submit(engine.limit_memory, 1)
        closing = callers.submit(engine.close)
        lowering.result(SOON_S)
        stay.may_leave.set()
        closing.result(SOON_S)
