from typing import Any

import torch
from torch import Tensor, nn

from tests.worker.engine.small_pipelines import Room, Rows


class Words(Rows):
    """A text encoder: looks up a vector for each token, and says how many rows it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 3)

    def forward(self, tokens: Tensor, scale: Any = 1.0) -> Tensor:  # type: ignore[override]
        self.seen.append(len(tokens))
        return self.table(tokens) * scale


class Reading:
    """A pipeline that reads a text and writes into what it gets."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __call__(self, tokens: list[int]) -> Tensor:
        return self.module(torch.tensor([tokens])).mul_(2)


def read(room: Room, *texts: list[int]) -> list[Tensor]:
    return room.develop(*[room.admit(Reading(room.module), tokens=tokens) for tokens in texts])


def words() -> Room:
    return Room(Words().eval())


def test_equal_texts_are_encoded_once_whether_together_or_later() -> None:
    room = words()

    read(room, [1, 2], [1, 2], [3, 4])
    room.module.seen.clear()
    again = read(room, [3, 4], [1, 2])

    assert room.module.seen == []
    assert room.hub.answering.memo.lookups == {"missed": 2, "remembered": 3}
    torch.testing.assert_close(again[1], Reading(room.module)([1, 2]))


def test_a_run_that_writes_into_an_answer_spoils_nobody_elses() -> None:
    room = words()

    first, second = read(room, [1, 2], [1, 2])

    torch.testing.assert_close(first, second)
    torch.testing.assert_close(read(room, [1, 2])[0], Reading(room.module)([1, 2]))


def test_what_was_remembered_is_forgotten_when_the_weights_change() -> None:
    room = words()
    (before,) = read(room, [1, 2])

    room.module.table.weight.mul_(3)
    (after,) = read(room, [1, 2])

    torch.testing.assert_close(after, 3 * before)


def test_texts_in_lists_are_told_apart() -> None:
    class Listing(Words):
        def forward(self, tokens: list[Tensor], scale: Any = 1.0) -> list[Tensor]:  # type: ignore[override]
            self.seen.append(len(tokens))
            return [self.table(each) * scale for each in tokens]

    room = Room(Listing().eval())

    class Reading:
        def __call__(self, tokens: list[int]) -> Tensor:
            return room.module([torch.tensor(tokens)])[0]

    runs = [room.admit(Reading(), tokens=tokens) for tokens in ([1, 2], [3, 4])]
    first, second = room.develop(*runs)

    torch.testing.assert_close(first, room.module.table(torch.tensor([1, 2])))
    torch.testing.assert_close(second, room.module.table(torch.tensor([3, 4])))


def test_a_module_in_training_is_asked_each_time() -> None:
    room = words()
    room.module.train()

    read(room, [1, 2])
    read(room, [1, 2])

    assert len(room.module.seen) == 2
