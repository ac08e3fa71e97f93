"""Calls that lack an optional argument of rows, in company of calls that have it."""

from typing import Any

import torch
from torch import Tensor

from tests.worker.engine.small_pipelines import Room, Rows, sample


class Residual(Rows):
    """Adds what a ControlNet would give, if anything."""

    def forward(self, sample: Tensor, residuals: tuple[Tensor, ...] | None = None) -> Tensor:  # type: ignore[override]
        answer = super().forward(sample)
        return answer + sum(residuals) if residuals else answer


class Gate(Rows):
    """Multiplies by what it is given, so that zeros are not nothing."""

    def forward(self, sample: Tensor, residuals: tuple[Tensor, ...] | None = None) -> Tensor:  # type: ignore[override]
        answer = super().forward(sample)
        return answer * residuals[0] if residuals else answer


def control(seed: int) -> dict[str, Any]:
    return {"residuals": (sample(seed + 10), sample(seed + 20))}


def develop(room: Room, steps: int = 3) -> list[Tensor]:
    controlled = [
        room.admit(sample=sample(seed), steps=steps, more=lambda _, seed=seed: control(seed)) for seed in (0, 1)
    ]
    plain = [room.admit(sample=sample(seed), steps=steps) for seed in (2, 3)]
    return room.develop(*controlled, *plain)


def expected(room: Room, steps: int = 3) -> list[Tensor]:
    controlled = [
        room.alone(sample=sample(seed), steps=steps, more=lambda _, seed=seed: control(seed)) for seed in (0, 1)
    ]
    return controlled + [room.alone(sample=sample(seed), steps=steps) for seed in (2, 3)]


def test_rows_without_an_optional_argument_share_the_forward_pass_of_those_with_it() -> None:
    room = Room(Residual())

    results = develop(room)

    assert room.module.seen[:4] == [1, 1, 1, 3]  # one of each kind and one more meet for all
    assert room.module.seen[-2:] == [4, 4]
    for result, alone in zip(results, expected(room), strict=True):
        torch.testing.assert_close(result, alone)


def test_where_zeros_change_the_answer_the_two_kinds_go_apart() -> None:
    room = Room(Gate())

    results = develop(room)

    assert room.module.seen[:4] == [1, 1, 1, 3]
    assert max(room.module.seen[4:]) == 2
    assert room.module.seen[-2:] == [2, 2]
    for result, alone in zip(results, expected(room), strict=True):
        torch.testing.assert_close(result, alone)


def test_a_whole_argument_that_is_no_rows_is_never_made_up() -> None:
    room = Room(Rows())
    runs = [room.admit(sample=sample(0), more=lambda _: {"scale": torch.ones(3)}), room.admit(sample=sample(1))]

    room.develop(*runs)

    assert set(room.module.seen) == {1}
