import torch

from tests.worker.engine.small_pipelines import Rows, Walk
from worker.engine.adoption import Adoption
from worker.engine.call import Call
from worker.engine.policy import PATIENCE, by_turn, choose, may_go_on
from worker.engine.run import Run

ADOPTION = Adoption("model", "module", Rows())
OTHER = Adoption("model", "other", Rows())
METHOD = ADOPTION.methods[0]


def call(rows: int, scale: float = 1.0, adapters: str | None = None) -> Call:
    return Call(METHOD, (torch.zeros(rows, 3),), {"scale": scale}, adapters)


def rows_of(batch: list[Call]) -> list[int]:
    return [call.rows for call in batch]


def join(one: Call, other: Call) -> Call | None:
    return one if one.exact == other.exact else None


def test_the_oldest_call_is_answered_with_those_that_fit_it() -> None:
    parked = [call(1, scale=2.0), call(2), call(3, scale=2.0), call(4)]

    batch = choose(parked, join, lambda _: 16)

    assert rows_of(batch) == [1, 3]


def test_rows_that_are_over_the_limit_wait_and_smaller_calls_pass_them() -> None:
    parked = [call(2), call(3), call(1), call(1)]

    batch = choose(parked, join, lambda _: 4)

    assert rows_of(batch) == [1, 1, 2]


def test_calls_with_equal_adapters_stand_together_and_among_them_those_of_as_many_rows() -> None:
    parked = [
        call(rows, adapters=adapters)
        for rows, adapters in zip([4, 2, 3, 1, 5], ["a", None, "b", "a", None], strict=True)
    ]

    batch = choose(parked, join, lambda _: 16)

    assert rows_of(batch) == [1, 4, 2, 5, 3]


def test_a_call_with_more_rows_than_the_limit_is_answered_alone() -> None:
    batch = choose([call(9), call(1)], join, lambda _: 4)

    assert rows_of(batch) == [9]


def test_a_call_without_a_group_is_answered_alone() -> None:
    batch = choose([call(1), call(1)], lambda _one, _other: None, lambda _: 4)

    assert rows_of(batch) == [1]


def run(*adoptions: Adoption, priority: int = 0) -> Run:
    return Run(Walk(Rows()), {}, frozenset(adoptions), [], priority=priority)


def test_the_higher_priority_has_the_first_turn_and_age_decides_among_equals() -> None:
    old, young, urgent = call(1), call(2), call(3)
    old.parked_at, young.parked_at, urgent.parked_at = 1, 2, 3

    turns = by_turn({young: run(), old: run(), urgent: run(priority=1)})

    assert turns == [urgent, old, young]


def test_a_call_that_many_batches_have_passed_has_its_turn_before_a_higher_priority() -> None:
    starving, urgent = call(1), call(1)
    urgent.parked_at = 2 * PATIENCE

    turns = by_turn({urgent: run(priority=1), starving: run()})

    assert turns == [starving, urgent]


def test_lookups_go_first_and_the_other_methods_take_turns() -> None:
    again, lookup, other = call(1), Call(METHOD, (torch.zeros(1, 3, dtype=torch.int64),), {}), call_of(OTHER)
    METHOD.answered_at, OTHER.methods[0].answered_at = 5, 4

    turns = by_turn({again: run(), other: run(priority=-1), lookup: run()})

    assert turns == [lookup, other, again]


def call_of(adoption: Adoption) -> Call:
    return Call(adoption.methods[0], (torch.zeros(1, 3),), {})


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
