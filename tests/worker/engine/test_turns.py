"""Whose calls the engine answers first, seen in the order of the forward passes."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from tests.worker.engine.small_pipelines import Rows, sample
from worker.engine.adoption import Adoption
from worker.engine.hub import Hub
from worker.engine.isolation.randomness import branch_off
from worker.engine.run import Run


class Model:
    """A text encoder, a denoiser and a decoder, adopted by a hub; `passes` are the forward passes, in order."""

    def __init__(self, max_rows: int = 16, max_pictures: int = 4) -> None:
        self.passes: list[tuple[str, int]] = []
        self.parts: list[Any] = [Words(self.passes), Denoiser(self.passes), Decoder(self.passes)]
        self.adoptions = frozenset(Adoption("model", type(part).__name__, part) for part in self.parts)
        self.hub = Hub(max_rows, max_pictures)

    def __call__(self, seed: int, steps: int = 3, rows: int = 1) -> Tensor:
        words, denoiser, decoder = self.parts
        text = words(torch.full((rows, 1), seed))
        latents = sample(seed, rows)
        for step in range(steps):
            latents = denoiser(latents, torch.tensor(float(step)), text)
        picture: Tensor = decoder.decode(latents)
        return picture

    def admit(self, seed: int, priority: int = 0, **arguments: Any) -> Run:
        run = Run(self, {"seed": seed, **arguments}, self.adoptions, branch_off(), priority=priority)
        self.hub.admit(run)
        return run

    def develop(self) -> None:
        while self.hub.runs:
            self.hub.advance()


class Words(nn.Module):
    def __init__(self, passes: list[tuple[str, int]]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(100, 3)
        self.passes = passes
        self.eval()

    def forward(self, tokens: Tensor) -> Tensor:
        self.passes.append(("text", len(tokens)))
        return self.table(tokens)[:, 0]


class Denoiser(Rows):
    def __init__(self, passes: list[tuple[str, int]]) -> None:
        super().__init__()
        self.passes = passes

    def forward(self, latents: Tensor, timestep: Tensor, text: Tensor) -> Tensor:  # type: ignore[override]
        self.passes.append(("denoiser", len(latents)))
        return super().forward(latents + text, timestep)


class Decoder(Rows):
    def __init__(self, passes: list[tuple[str, int]]) -> None:
        super().__init__()
        self.passes = passes

    def decode(self, latents: Tensor) -> Tensor:
        self.passes.append(("decoder", len(latents)))
        return super().forward(latents)


def acquainted(model: Model) -> Model:
    """Has had the first meetings, which take passes of their own."""
    for seeds in ([1], [2, 3], [4, 5]):
        for seed in seeds:
            model.admit(seed)
        model.develop()
    model.passes.clear()
    return model


def test_a_newcomer_joins_within_one_pass_of_the_denoiser() -> None:
    model = acquainted(Model())
    for seed in (10, 11):
        model.admit(seed, steps=9)
    for _ in range(3):
        model.hub.advance()
    model.passes.clear()

    model.admit(12, steps=9)
    for _ in range(3):
        model.hub.advance()

    rows = [count for name, count in model.passes if name == "denoiser"]
    assert rows[:2] in ([2, 3], [3, 3])


def test_a_queue_of_decodes_holds_up_the_denoiser_for_one_of_them_at_a_time() -> None:
    model = acquainted(Model(max_pictures=2))
    for seed in range(10, 18):
        model.admit(seed, steps=3)
    model.admit(20, steps=9)

    model.develop()

    kinds = [name for name, _ in model.passes]
    decodes = [place for place, name in enumerate(kinds) if name == "decoder"]
    assert [rows for name, rows in model.passes if name == "decoder"][:4] == [2, 2, 2, 2]
    assert all("denoiser" in kinds[one:other] for one, other in pairwise(decodes))


def test_when_rows_are_short_the_higher_priority_is_stepped_first_and_nobody_starves() -> None:
    model = acquainted(Model(max_rows=2))
    ended: list[Run] = []
    low = [model.admit(seed, steps=4) for seed in range(10, 14)]
    high = [model.admit(seed, steps=4, priority=1) for seed in range(20, 22)]

    while model.hub.runs:
        ended += model.hub.advance()

    assert set(ended[:2]) == set(high)
    assert set(ended[2:]) == set(low)
    assert not any(run.outcome.error for run in ended)


def test_a_lower_priority_is_passed_only_for_so_long() -> None:
    model = acquainted(Model(max_rows=1))
    low = model.admit(10, steps=2)
    waited = 0

    while not low.has_ended:
        if len(model.hub.runs) < 3:
            model.admit(20 + waited % 50, steps=2, priority=1)
        model.hub.advance()
        waited += 1
        assert waited < 200

    assert low.outcome.error is None
