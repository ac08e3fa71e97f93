"""Pipelines of a few lines over real modules of a few weights, for tests that look at single calls."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from worker.engine.adoption import Adoption
from worker.engine.hub import Hub
from worker.engine.isolation.randomness import branch_off
from worker.engine.run import Run


class Rows(nn.Module):
    """Treats every row by itself, and notes how many rows each forward pass had."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, 3)
        self.seen: list[int] = []

    def forward(self, sample: Tensor, timestep: Tensor | float = 0.0, scale: Any = 1.0) -> Tensor:
        self.seen.append(len(sample))
        if torch.is_tensor(timestep):
            timestep = timestep.expand(len(sample))[:, None].float()
        return torch.tanh(self.linear(sample) + timestep) * scale


class Mixing(Rows):
    """Lets every row depend on the others, which stacking must not be allowed to do."""

    def forward(self, sample: Tensor, timestep: Tensor | float = 0.0, scale: Any = 1.0) -> Tensor:
        return super().forward(sample - sample.mean(0), timestep, scale)


class Failing(Rows):
    """Fails on rows that begin with infinity, and with more rows than it has memory for."""

    def __init__(self, memory: int = 1000) -> None:
        super().__init__()
        self.memory = memory
        self.refused: list[int] = []

    def forward(self, sample: Tensor, timestep: Tensor | float = 0.0, scale: Any = 1.0) -> Tensor:
        if len(sample) > self.memory:
            self.refused.append(len(sample))
            raise torch.OutOfMemoryError(f"no memory for {len(sample)} rows")
        if sample[:, 0].isinf().any():
            raise ValueError("infinite sample")
        return super().forward(sample, timestep, scale)


class Walk:
    """A pipeline: it calls its module step after step, with the arguments that `more` gives for that step."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __call__(
        self, sample: Tensor, steps: int = 3, more: Callable[[int], dict[str, Any]] = lambda _step: {}
    ) -> Tensor:
        for step in range(steps):
            sample = self.module(sample, **more(step))
        return sample


def sample(seed: int, rows: int = 1) -> Tensor:
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed))


class Room:
    """A hub, a module that it has adopted, and the runs of a pipeline over it."""

    def __init__(self, module: Rows, max_rows: int = 16) -> None:
        self.module: Any = module
        self.hub = Hub(max_rows)
        self.adoption = Adoption("small", "module", module)

    def admit(self, pipeline: Any = None, adapters: Any = None, **arguments: Any) -> Run:
        pipeline = pipeline or Walk(self.module)
        run = Run(pipeline, arguments, frozenset([self.adoption]), branch_off(), adapters=adapters)
        self.hub.admit(run)
        return run

    def develop(self, *runs: Run) -> list[Tensor]:
        """Advances until no run is left, and returns what these have given."""
        while self.hub.runs:
            self.hub.advance()
        return [run.outcome.result for run in runs]

    def alone(self, **arguments: Any) -> Tensor:
        """Returns what the stock pipeline gives."""
        return Walk(self.module)(**arguments)

    @property
    def reasons(self) -> list[str]:
        return [never.reason for never in self.hub.answering.meetings.never_stacked]
