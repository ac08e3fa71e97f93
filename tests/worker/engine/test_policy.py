from typing import Any

import torch

from tests.worker.engine.small_pipelines import Rows, Walk
from worker.engine.adoption import Adoption
from worker.engine.call import Call
from worker.engine.policy import choose, may_go_on
from worker.engine.run import Run

ADOPTION = Adoption("model", "module", Rows())
OTHER = Adoption("model", "other", Rows())
METHOD = ADOPTION.methods[0]


def call(rows: int, scale: float = 1.0) -> Call:
    return Call(METHOD, (torch.zeros(rows, 3),), {"scale": scale})


def rows_of(batch: list[Call]) -> list[int]:
    return [call.rows for call in batch]


def by_signature(call: Call) -> Any:
    return call.exact


def test_the_oldest_call_is_answered_with_those_that_fit_it() -> None:
    parked = [call(1, scale=2.0), call(2), call(3, scale=2.0), call(4)]

    batch = choose(parked, by_signature, lambda _: 16)

    assert rows_of(batch) == [1, 3]


def test_rows_that_are_over_the_limit_wait_and_smaller_calls_pass_them() -> None:
    parked = [call(2), call(3), call(1), call(1)]

    batch = choose(parked, by_signature, lambda _: 4)

    assert rows_of(batch) == [2, 1, 1]


def test_a_call_with_more_rows_than_the_limit_is_answered_alone() -> None:
    batch = choose([call(9), call(1)], by_signature, lambda _: 4)

    assert rows_of(batch) == [9]


def test_a_call_without_a_group_is_answered_alone() -> None:
    batch = choose([call(1), call(1)], lambda _: None, lambda _: 4)

    assert rows_of(batch) == [1]


def test_no_call_starves_among_those_that_come_again_and_again() -> None:
    parked = [call(3, scale=2.0), call(1)] + [call(1) for _ in range(5)]
    lonely = parked[0]
    parked.append(parked.pop(0))

    answered_after = 0
    while lonely in parked:
        batch = choose(parked, by_signature, lambda _: 3)
        parked = [call for call in parked if call not in batch] + [call(1) for call_ in batch if call_ is not lonely]
        answered_after += 1

    assert answered_after <= 3


def run(*adoptions: Adoption) -> Run:
    return Run(Walk(Rows()), {}, frozenset(adoptions))


def test_runs_go_on_side_by_side_unless_one_is_exclusive() -> None:
    first, second, third = runs = [run(ADOPTION) for _ in range(3)]

    assert all(may_go_on(run, runs, exclusive=[], changing=[]) for run in runs)
    assert [may_go_on(run, runs, exclusive=[second], changing=[]) for run in runs] == [True, False, False]
    assert may_go_on(second, [second, third], exclusive=[second], changing=[])
    assert not may_go_on(third, [second, third], exclusive=[second], changing=[])
    assert first is runs[0]


def test_while_a_run_has_a_module_changed_it_alone_goes_on_with_it() -> None:
    first, changing, elsewhere = runs = [run(ADOPTION), run(ADOPTION), run(OTHER)]

    decisions = [may_go_on(run, runs, exclusive=[changing], changing=[changing]) for run in runs]

    assert decisions == [False, True, True]
    assert first is runs[0]
    assert elsewhere is runs[2]
