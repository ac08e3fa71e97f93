import pytest
import torch
from torch import Tensor, nn

from tests.worker.engine.small_pipelines import Room, Rows


class Deep(Rows):
    """Makes of every row's vectors others by several layers, in which roundings grow."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(64, 64) for _ in range(4)))

    def forward(self, sample: Tensor) -> Tensor:  # type: ignore[override]
        self.seen.append(len(sample))
        result: Tensor = self.layers(sample) + self.layers[0](input=torch.ones(64))
        return result


def vectors(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("length", [(), (1,), (2,), (9,)], ids=str)
def test_a_call_of_few_vectors_is_rounded_as_alone(length: tuple[int, ...]) -> None:
    room = Room(Deep())
    samples = [vectors(seed, rows, *length, 64) for seed, rows in enumerate([1, 2, 3, 5])]
    runs = [room.admit(sample=sample, steps=3) for sample in samples]

    results = room.develop(*runs)

    assert 11 in room.module.seen
    for sample, result in zip(samples, results, strict=True):
        assert torch.equal(result, room.alone(sample=sample, steps=3))


def test_a_released_module_has_no_hooks_left() -> None:
    room = Room(Deep())

    room.adoption.release()

    assert not any(part._forward_hooks for part in room.module.modules())
