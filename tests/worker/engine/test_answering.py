from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.worker.engine.small_pipelines import Failing, Room, Rows, sample


class Drawing(Rows):
    """Takes a generator, and draws from it if it adds any noise."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, sample: Tensor, generator: torch.Generator) -> Tensor:  # type: ignore[override]
        if self.strength:
            sample = sample + torch.randn(sample.shape, generator=generator) * self.strength
        return super().forward(sample)


def own_generator(seed: int) -> Callable[[int], dict[str, Any]]:
    generator = torch.Generator().manual_seed(seed)
    return lambda _step: {"generator": generator}


def test_timesteps_of_different_number_types_share_a_forward_pass() -> None:
    room = Room(Rows())
    runs = [
        room.admit(sample=sample(0), more=lambda step: {"timestep": torch.tensor(step)}),
        room.admit(sample=sample(1), more=lambda step: {"timestep": torch.tensor(step, dtype=torch.float32)}),
    ]

    results = room.develop(*runs)

    assert room.module.seen == [1, 1, 2, 1, 2, 2, 2]
    for seed, result in enumerate(results):
        expected = room.alone(sample=sample(seed), more=lambda step: {"timestep": torch.tensor(step)})
        torch.testing.assert_close(result, expected)


def test_a_call_that_carries_an_unknown_object_is_answered_alone() -> None:
    class Twice:
        def __rmul__(self, other: Tensor) -> Tensor:
            return other * 2

    room = Room(Rows())
    runs = [room.admit(sample=sample(seed), steps=1, more=lambda _: {"scale": Twice()}) for seed in range(2)]

    results = room.develop(*runs)

    assert room.module.seen == [1, 1]
    assert room.reasons == ["an argument holds a Twice, which cannot be compared"]
    assert all(isinstance(result, Tensor) for result in results)


def test_a_module_that_changes_its_arguments_is_never_stacked() -> None:
    class Writing(Rows):
        def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
            return super().forward(sample.mul_(2), timestep, scale)

    room = Room(Writing())
    runs = [room.admit(sample=sample(seed)) for seed in range(2)]

    room.develop(*runs)

    assert set(room.module.seen) == {1}
    assert room.reasons == ["it changes its arguments"]


def test_what_a_module_writes_into_a_shared_argument_is_written_once() -> None:
    class Counting(Rows):
        def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
            return super().forward(sample, timestep, scale.add_(1))

    room = Room(Counting())

    def counter() -> Callable[[int], dict[str, Any]]:
        scale = torch.zeros(3)
        return lambda _step: {"scale": scale}

    runs = [room.admit(sample=sample(seed), more=counter()) for seed in range(2)]

    results = room.develop(*runs)

    assert room.reasons == ["it changes its arguments"]
    for seed, result in enumerate(results):
        assert torch.equal(result, room.alone(sample=sample(seed), more=counter()))


def test_a_module_that_draws_draws_from_its_runs_own_random_state() -> None:
    class Noising(Rows):
        def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
            return super().forward(sample + torch.randn(sample.shape), timestep, scale)

    room = Room(Noising())
    runs = []
    for seed in range(2):
        torch.manual_seed(seed)
        runs.append(room.admit(sample=sample(seed)))

    results = room.develop(*runs)

    for seed, result in enumerate(results):
        torch.manual_seed(seed)
        assert torch.equal(result, room.alone(sample=sample(seed)))


def test_calls_that_share_a_tensor_are_stacked_only_where_it_is_equal() -> None:
    room = Room(Rows())
    scales = [torch.full((3,), 2.0), torch.full((3,), 2.0), torch.full((3,), 5.0)]
    runs = [
        room.admit(sample=sample(seed), steps=1, more=lambda _, scale=scale: {"scale": scale})
        for seed, scale in enumerate(scales)
    ]

    results = room.develop(*runs)

    assert room.module.seen == [1, 1, 2, 1, 2, 1]
    for seed, (result, scale) in enumerate(zip(results, scales, strict=True)):
        expected = room.alone(sample=sample(seed), steps=1, more=lambda _, scale=scale: {"scale": scale})
        torch.testing.assert_close(result, expected)


def test_a_generator_passes_once_a_lone_call_has_left_its_state_alone() -> None:
    room = Room(Drawing(strength=0))
    runs = [room.admit(sample=sample(seed), more=own_generator(seed)) for seed in range(2)]

    results = room.develop(*runs)

    assert room.module.seen[0] == 1
    assert 2 in room.module.seen
    assert room.reasons == []
    for seed, result in enumerate(results):
        torch.testing.assert_close(result, room.alone(sample=sample(seed), more=own_generator(seed)))


def test_a_generator_that_is_drawn_from_keeps_its_call_alone() -> None:
    room = Room(Drawing(strength=1))
    runs = [room.admit(sample=sample(seed), more=own_generator(seed)) for seed in range(2)]

    results = room.develop(*runs)

    assert set(room.module.seen) == {1}
    assert room.reasons == ["it draws from its generator"]
    for seed, result in enumerate(results):
        assert torch.equal(result, room.alone(sample=sample(seed), more=own_generator(seed)))


def test_a_call_that_fails_alone_fails_its_own_run_only() -> None:
    room = Room(Failing())
    good = room.admit(sample=sample(0))
    bad = room.admit(sample=torch.full((1, 3), torch.inf))

    room.develop()

    assert str(bad.outcome.error) == "infinite sample"
    torch.testing.assert_close(good.outcome.result, room.alone(sample=sample(0)))
    assert room.reasons == []


def test_a_kind_of_call_that_fails_only_when_stacked_is_never_stacked_again() -> None:
    class Single(Rows):
        def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
            if len(sample) > 1:
                raise ValueError("one row at a time")
            return super().forward(sample, timestep, scale)

    room = Room(Single())
    runs = [room.admit(sample=sample(seed)) for seed in range(2)]

    results = room.develop(*runs)

    assert room.reasons == ["fails stacked: ValueError('one row at a time')"]
    for seed, result in enumerate(results):
        assert torch.equal(result, room.alone(sample=sample(seed)))


def test_a_batch_too_large_for_the_memory_is_answered_in_halves_from_then_on() -> None:
    room = Room(Failing(memory=2))
    runs = [room.admit(sample=sample(seed)) for seed in range(4)]

    results = room.develop(*runs)

    assert max(room.module.seen) == 2
    assert room.module.refused == [4]
    assert room.hub.answering.halvings == 1
    assert room.reasons == []
    for seed, result in enumerate(results):
        torch.testing.assert_close(result, room.alone(sample=sample(seed)))


def test_a_row_that_is_not_a_number_touches_no_other() -> None:
    room = Room(Rows())
    good = room.admit(sample=sample(0))
    lost = room.admit(sample=torch.full((1, 3), torch.nan))

    room.develop()

    assert lost.outcome.result.isnan().all()
    torch.testing.assert_close(good.outcome.result, room.alone(sample=sample(0)))
    assert room.reasons == []
