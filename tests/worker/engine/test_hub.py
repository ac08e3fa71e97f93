from typing import Any

import torch
from torch import Tensor

from tests.worker.engine.small_pipelines import Room, Rows, Walk, sample
from worker.engine import worn


class Shifting(Rows):
    """Adds to each row what it wears."""

    def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
        everyone: Any = worn()
        shifts = [torch.full((rows, 1), adapters or 0.0) for adapters, rows in everyone]
        return super().forward(sample, timestep, scale) + (torch.cat(shifts) if shifts else 0)


def test_parked_calls_are_answered_by_one_forward_pass() -> None:
    room = Room(Rows())
    runs = [room.admit(sample=sample(seed, rows=seed + 1)) for seed in range(3)]

    room.hub.advance()
    room.module.seen.clear()
    room.hub.advance()

    assert room.module.seen == [1 + 2 + 3]
    for seed, result in enumerate(room.develop(*runs)):
        torch.testing.assert_close(result, room.alone(sample=sample(seed, rows=seed + 1)))


def test_runs_at_different_steps_share_a_forward_pass_each_with_its_own_timestep() -> None:
    room = Room(Rows())

    def timestep(step: int) -> dict[str, Any]:
        return {"timestep": torch.tensor(step / 10)}

    early = room.admit(sample=sample(0), steps=5, more=timestep)
    room.hub.advance()
    room.hub.advance()
    late = room.admit(sample=sample(1), steps=4, more=timestep)

    results = room.develop(early, late)

    assert room.module.seen.count(2) == 4
    torch.testing.assert_close(results[0], room.alone(sample=sample(0), steps=5, more=timestep))
    torch.testing.assert_close(results[1], room.alone(sample=sample(1), steps=4, more=timestep))


def test_no_forward_pass_has_more_rows_than_the_limit_but_a_lone_one() -> None:
    room = Room(Rows(), max_rows=4)
    runs = [room.admit(sample=sample(seed, rows=rows)) for seed, rows in enumerate([2, 3, 1, 6, 2])]

    results = room.develop(*runs)

    assert max(room.module.seen) == 6
    assert 5 not in room.module.seen
    assert len(results[3]) == 6


def test_an_aborted_run_leaves_at_once_and_the_others_do_not_notice() -> None:
    room = Room(Rows())
    staying, leaving = room.admit(sample=sample(0), steps=6), room.admit(sample=sample(1), steps=6)
    room.hub.advance()
    room.hub.advance()

    room.hub.abort(leaving, TimeoutError())
    room.develop(staying)

    assert isinstance(leaving.outcome.error, TimeoutError)
    assert room.module.seen[-4:] == [1, 1, 1, 1]
    torch.testing.assert_close(staying.outcome.result, room.alone(sample=sample(0), steps=6))


def test_a_pipeline_that_catches_errors_does_not_survive_its_abortion() -> None:
    class Stubborn(Walk):
        def __call__(self, sample: Tensor, **_: Any) -> Tensor:  # type: ignore[override]
            while True:
                try:
                    self.module(sample)
                except Exception:  # noqa: S112 (the very thing that is tested)
                    continue

    room = Room(Rows())
    run = room.admit(Stubborn(room.module), sample=sample(0))
    room.hub.advance()

    room.hub.abort(run, TimeoutError())

    assert room.hub.runs == []


def test_calls_inside_a_block_that_changes_the_thread_are_not_parked() -> None:
    class Casting(Walk):
        def __call__(self, sample: Tensor, **_: Any) -> Tensor:  # type: ignore[override]
            with torch.autocast("cpu", dtype=torch.bfloat16):
                sample = self.module(sample)
            return self.module(sample.float())

    room = Room(Rows())
    plain = room.admit(sample=sample(0), steps=2)
    casting = room.admit(Casting(room.module), sample=sample(0))

    room.develop()

    assert torch.equal(casting.outcome.result, Casting(room.module)(sample(0)))
    torch.testing.assert_close(plain.outcome.result, room.alone(sample=sample(0), steps=2))


def test_runs_with_different_adapters_share_a_forward_pass_and_each_row_wears_its_own() -> None:
    room = Room(Shifting())
    adapters = [1.0, 2.0, None]
    runs = [room.admit(adapters=worn, sample=sample(seed), steps=1) for seed, worn in enumerate(adapters)]

    results = room.develop(*runs)

    assert room.module.seen == [1, 1, 1, 3, 1, 3]
    for seed, (worn_by_run, result) in enumerate(zip(adapters, results, strict=True)):
        torch.testing.assert_close(result, room.alone(sample=sample(seed), steps=1) + (worn_by_run or 0.0))


def test_adapters_that_cannot_be_mixed_are_told_and_only_equal_ones_are_stacked() -> None:
    class Confused(Rows):
        def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
            shift: Any = worn()[0][0]
            return super().forward(sample, timestep, scale) + (shift or 0.0)

    room = Room(Confused())
    adapters = [1.0, 2.0, 1.0, 2.0, 1.0, None, None]
    runs = [room.admit(adapters=worn, sample=sample(seed), steps=3) for seed, worn in enumerate(adapters)]

    results = room.develop(*runs)

    for seed, (worn_by_run, result) in enumerate(zip(adapters, results, strict=True)):
        expected = sample(seed)
        for _ in range(3):
            expected = Rows()(expected) + (worn_by_run or 0.0)
        torch.testing.assert_close(result, expected)
    assert room.module.seen[:4] == [1, 1, 1, 3]  # one of each kind and the last meet for all
    assert sorted(room.module.seen[-3:]) == [2, 2, 3]
    assert room.reasons == ["stacked answers differ from lone ones (adapters mixed)"]


def test_adapters_of_a_new_kind_have_a_first_meeting_and_those_of_a_known_one_do_not() -> None:
    class Shift(float):
        kinds = ("all rows",)

    class Other(Shift):
        kinds = ("some rows",)

    def develop(*adapters: Any) -> list[int]:
        room.module.seen.clear()
        room.develop(*[room.admit(adapters=worn, sample=sample(seed), steps=1) for seed, worn in enumerate(adapters)])
        return list(room.module.seen)

    room = Room(Shifting())

    assert develop(Shift(1), None) == [1, 1, 2, 1, 2]
    assert develop(Shift(2), Shift(3), None) == [3]
    assert develop(Other(1), None) == [1, 1, 2, 1, 2]
    assert develop(Shift(1), Shift(1)) == [1, 1, 2, 1, 2]  # alike all over, which says nothing of mixing
    assert develop(Shift(4), Shift(4)) == [2]
