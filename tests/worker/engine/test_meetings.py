from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.worker.engine.small_pipelines import Mixing, Room, Rows, sample
from worker.engine.meetings import SIZES


def test_the_first_meeting_is_checked_and_the_next_ones_are_not() -> None:
    room = Room(Rows())
    runs = [room.admit(sample=sample(seed), steps=3) for seed in range(2)]

    room.develop(*runs)

    assert room.module.seen == [1, 1, 2, 1, 2, 2, 2]


def test_a_first_meeting_of_equal_calls_proves_nothing_and_is_checked_again() -> None:
    room = Room(Mixing())
    twins = [room.admit(sample=sample(0, rows=2), steps=1) for _ in range(2)]
    room.develop(*twins)
    runs = [room.admit(sample=sample(seed, rows=2), steps=1) for seed in range(2)]

    results = room.develop(*runs)

    for seed, result in enumerate(results):
        assert torch.equal(result, room.alone(sample=sample(seed, rows=2), steps=1))


def test_a_module_whose_rows_depend_on_the_company_is_caught_and_never_stacked() -> None:
    room = Room(Mixing())
    runs = [room.admit(sample=sample(seed, rows=2)) for seed in range(3)]

    results = room.develop(*runs)

    for seed, result in enumerate(results):
        assert torch.equal(result, room.alone(sample=sample(seed, rows=2)))
    assert room.module.seen[:3] == [2, 2, 4]  # two meet for all
    assert set(room.module.seen[3:]) == {2}
    assert room.reasons == ["stacked answers differ from lone ones"]


class Leading(Rows):
    """Has the first row's timestep, or the first row's mask, hold for all rows."""

    def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
        first = timestep.reshape(-1)[0] if isinstance(timestep, Tensor) else 0
        return super().forward(sample, first, scale[0] if isinstance(scale, Tensor) else 1)


@pytest.mark.parametrize(
    ("name", "alike", "unlike"),
    [
        ("timestep", torch.tensor(2), torch.tensor([5, 7])),
        ("timestep", torch.tensor([0.0]), torch.tensor([[0.5], [0.7]])),
        ("scale", torch.ones(1, 3, dtype=torch.int64), torch.tensor([[[1, 1, 0]], [[1, 0, 0]]])),
        ("scale", torch.tensor([[1, 2, 0]]), torch.tensor([[[2, 1, 0]], [[1, 1, 0]]])),
        ("scale", torch.ones(1, 3, dtype=torch.bool), torch.tensor([[[True, False, True]], [[False, True, True]]])),
    ],
)
def test_what_is_alike_when_rows_first_meet_has_to_stay_alike_if_a_module_takes_the_first_rows_for_all(
    name: str, alike: Tensor, unlike: Tensor
) -> None:
    room = Room(Leading())

    def more(seed: int) -> Callable[[int], dict[str, Any]]:
        return lambda step: {name: unlike[seed] if step == 2 else alike}

    results = room.develop(*[room.admit(sample=sample(seed), more=more(seed)) for seed in range(2)])

    assert room.module.seen[-3:] == [2, 1, 1]
    for seed, result in enumerate(results):
        torch.testing.assert_close(result, room.alone(sample=sample(seed), more=more(seed)))


def test_what_is_alike_in_the_few_that_meet_has_to_be_so_in_the_others_too() -> None:
    room = Room(Leading())
    timesteps = [2, 5, 7, 9, 2]

    def more(seed: int) -> Callable[[int], dict[str, Any]]:
        return lambda _step: {"timestep": torch.tensor(timesteps[seed])}

    results = room.develop(*[room.admit(sample=sample(seed), steps=1, more=more(seed)) for seed in range(5)])

    for seed, result in enumerate(results):
        torch.testing.assert_close(result, room.alone(sample=sample(seed), steps=1, more=more(seed)))


def test_what_a_module_takes_no_other_value_for_has_to_stay_alike() -> None:
    class Particular(Rows):
        def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
            if (timestep < 4).any():
                raise ValueError("too early")
            return super().forward(sample, timestep, scale)

    room = Room(Particular())

    def develop(*timesteps: int) -> list[int]:
        room.module.seen.clear()
        runs = [
            room.admit(
                sample=sample(seed), steps=1, more=lambda _, timestep=timestep: {"timestep": torch.tensor(timestep)}
            )
            for seed, timestep in enumerate(timesteps)
        ]
        room.develop(*runs)
        assert not any(run.outcome.error for run in runs)
        return list(room.module.seen)

    assert develop(4, 4)[-1] == 2
    assert develop(4, 4) == [2]
    assert develop(4, 6) == [1, 1]


class Listing(Rows):
    """Takes a list of one tensor a row, of any lengths; a careless one lets the long ones be felt by the short."""

    def __init__(self, leak: float = 0) -> None:
        super().__init__()
        self.leak = leak

    def forward(self, samples: list[Tensor]) -> list[Tensor]:  # type: ignore[override]
        self.seen.append(len(samples))
        longest = max(map(len, samples))
        return [torch.tanh(self.linear(each)) + self.leak * (longest - len(each)) for each in samples]


def meet(room: Room, *lengths: int) -> bool:
    """Develops runs with tensors of these lengths together; returns whether all was as alone."""

    def walk(length: int) -> Tensor:
        picture: Tensor = room.module([sample(length, rows=length)])[0]
        return picture

    results = room.develop(*[room.admit(walk, length=length) for length in lengths])
    return all(torch.allclose(result, walk(length)) for result, length in zip(results, lengths, strict=True))


def test_after_enough_meetings_of_different_sizes_those_in_lists_need_no_more_checks() -> None:
    room = Room(Listing())
    met = [meet(room, length, length + 1) for length in range(1, SIZES + 2)]
    room.module.seen.clear()

    is_as_alone = meet(room, 30, 31, 32)

    assert all(met)
    assert is_as_alone
    assert room.module.seen == [3, 1, 1, 1]  # and then each alone, to compare


def test_sizes_in_lists_that_are_felt_by_others_are_never_mixed() -> None:
    room = Room(Listing(leak=1.0))

    assert all(meet(room, length, length + 1) for length in range(1, SIZES + 5))
    assert room.reasons == ["stacked answers differ from lone ones (mixed)"]


def test_kinds_that_have_met_in_larger_company_are_not_checked_again_in_smaller() -> None:
    room = Room(Rows())
    numbers = [torch.tensor(1), torch.tensor(2.0), torch.tensor(3, dtype=torch.int32)]

    def develop(kinds: list[Tensor]) -> list[int]:
        room.module.seen.clear()
        runs = [
            room.admit(sample=sample(seed), steps=1, more=lambda _step, kind=kind: {"timestep": kind})
            for seed, kind in enumerate(kinds)
        ]
        room.develop(*runs)
        return list(room.module.seen)

    assert develop(numbers) == [1, 1, 1, 3, 1, 3]
    assert develop(numbers[1:]) == [2]
    assert develop(numbers[:2]) == [2]


def test_kinds_that_have_each_met_their_like_have_not_met_each_other() -> None:
    class Particular(Rows):
        def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
            return super().forward(sample, timestep, scale) + timestep.is_floating_point()

    room = Room(Particular())

    def is_as_alone(*timesteps: Tensor) -> bool:
        requests = [
            {"sample": sample(seed), "steps": 1, "more": lambda _step, timestep=timestep: {"timestep": timestep}}
            for seed, timestep in enumerate(timesteps)
        ]
        results = room.develop(*[room.admit(**request) for request in requests])
        return all(
            torch.allclose(result, room.alone(**request)) for result, request in zip(results, requests, strict=True)
        )

    whole, real = torch.tensor(1), torch.tensor(1.0)

    assert is_as_alone(whole, whole)
    assert is_as_alone(real, real)
    assert is_as_alone(whole, real)
    assert room.reasons == ["stacked answers differ from lone ones (mixed)"]
