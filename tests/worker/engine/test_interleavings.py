"""Any order of submitting, cancelling, failing, running late and closing: nothing is stuck, kept or different."""

import gc
import time
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.worker.engine.small_pipelines import sample
from worker.engine import DeadlinePassed, Engine, EngineClosed
from worker.engine.admission import Admission
from worker.engine.adoption import Adoption, modules_of
from worker.engine.errors import Aborted
from worker.engine.hub import Hub
from worker.engine.isolation.randomness import seeded
from worker.engine.run import Run

SOON_S = 30.0
MEMORY = 10
ROWS_THAT_FIT = 5
HABITS = ("plain", "controlled", "noisy", "swapping")


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table(tokens).sum(1)


class Denoiser(nn.Module):
    """Runs out of memory, has a processor that can be swapped, and takes residuals from those who have some."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.processor = torch.tanh

    def forward(self, latents: Tensor, timestep: Tensor, text: Tensor, residual: Tensor | None = None) -> Tensor:
        if len(latents) > ROWS_THAT_FIT:
            raise torch.OutOfMemoryError(f"no memory for {len(latents)} rows")
        answer = self.processor(self.linear(latents) + text + timestep.expand(len(latents))[:, None])
        return answer if residual is None else answer + residual

    def decode(self, latents: Tensor, generator: torch.Generator) -> Tensor:
        return self.linear(latents) + torch.rand(latents.shape, generator=generator)


@dataclass(frozen=True)
class Plan:
    """What one run does, and what is asked of the engine for it."""

    seed: int
    rows: int
    steps: int
    fails_at: int | None
    habit: str
    priority: int
    memory: int
    deadline: int | None

    @property
    def fails(self) -> bool:
        return self.fails_at is not None and self.fails_at < self.steps


@dataclass(frozen=True)
class Cancel:
    number: int  # of the plan


@dataclass(frozen=True)
class Pause:
    turns: int


class Errand:
    """A pipeline that goes by its plan, and notes the tensors that it makes."""

    def __init__(self, studio: "Studio") -> None:
        self.words: Any = studio.words
        self.denoiser: Any = studio.denoiser
        self.born = studio.born

    def __call__(self, plan: Plan) -> Tensor:
        text = self.words(torch.full((plan.rows, 2), plan.seed))
        latents = sample(plan.seed, plan.rows)
        more = {"residual": sample(plan.seed, plan.rows)} if plan.habit == "controlled" else {}
        for step in range(plan.steps):
            if step == plan.fails_at:
                raise ValueError("cursed")
            if plan.habit == "noisy":
                latents = latents + torch.rand(latents.shape)
            latents = self.denoise(latents, timestep=torch.tensor(step / 10), text=text, **more)
            self.born += [weakref.ref(latents), weakref.ref(text)]
        picture: Tensor = self.denoiser.decode(latents, torch.Generator().manual_seed(plan.seed))
        self.born.append(weakref.ref(picture))
        return picture

    def denoise(self, latents: Tensor, **arguments: Tensor) -> Any:
        return self.denoiser(latents, **arguments)


class Swapping(Errand):
    """Changes what all share while it waits for an answer."""

    def denoise(self, latents: Tensor, **arguments: Tensor) -> Any:
        before, self.denoiser.processor = self.denoiser.processor, torch.sin
        try:
            return super().denoise(latents, **arguments)
        finally:
            self.denoiser.processor = before


class Studio:
    """The modules that all pipelines share, and what these have made."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.words, self.denoiser = Words().eval(), Denoiser().eval()
        self.born: deque[weakref.ref[Tensor]] = deque()

    def pipeline(self, plan: Plan) -> Errand:
        return Swapping(self) if plan.habit == "swapping" else Errand(self)

    def alone(self, plan: Plan) -> Tensor:
        torch.manual_seed(plan.seed)
        return self.pipeline(plan)(plan)

    def kept(self) -> list[Tensor]:
        gc.collect()
        return [tensor for reference in self.born if (tensor := reference()) is not None]


class ByHand:
    """Turns the hub as the engine does, with a clock that counts the turns."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.hub, self.admission = studio, Hub(max_rows=7, max_pictures=2), Admission(MEMORY)
        self.adoptions = frozenset(Adoption("small", name, module) for name, module in modules_of(studio))
        self.now = 0

    def submit(self, plan: Plan) -> "Future[Any]":
        until = float("inf") if plan.deadline is None else self.now + plan.deadline
        wishes: dict[str, Any] = {"deadline": until, "priority": plan.priority, "memory": plan.memory}
        run = Run(self.studio.pipeline(plan), {"plan": plan}, self.adoptions, seeded(plan.seed), **wishes)
        self.admission.add([run])
        return run.future

    def pause(self, turns: int) -> None:
        for _ in range(turns):
            self.now += 1
            self._abort([run for run in self._runs if run.deadline <= self.now], DeadlinePassed())
            self._abort([run for run in self._runs if run.future.cancelled()], Aborted())
            for run in self.admission.admit(self.hub.runs):
                self.hub.admit(run)
            assert len(self.hub.runs) < 2 or self.admission.has_room_for(self.hub.runs)
            for run in self.hub.advance():
                run.settle()

    def finish(self) -> None:
        self.pause(turns=40 * len(self._runs))

    def close(self) -> None:
        self._abort(self._runs, EngineClosed())
        assert (self.hub._waiting, self.hub._changing) == ({}, set())
        assert not any(method.module._forward_hooks for adoption in self.adoptions for method in adoption.methods)

    @property
    def _runs(self) -> list[Run]:
        return [*self.admission.waiting, *self.hub.runs]

    def _abort(self, runs: Sequence[Run], error: BaseException) -> None:
        for run in runs:
            if run in self.admission.waiting:
                self.admission.drop(run)
                run.abort(error)
            else:
                self.hub.abort(run, error)
            run.settle()


class ByItself:
    """The engine, whose thread makes of the same orders a different interleaving each time."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.engine = studio, Engine(max_rows=7, max_pictures=2, memory=MEMORY)
        self.engine.adopt(studio)

    def submit(self, plan: Plan) -> "Future[Any]":
        deadline = None if plan.deadline is None else plan.deadline / 1000
        wishes: dict[str, Any] = {"priority": plan.priority, "memory": plan.memory, "seed": plan.seed}
        return self.engine.submit(self.studio.pipeline(plan), deadline=deadline, plan=plan, **wishes)

    def pause(self, turns: int) -> None:
        time.sleep(turns / 1000)

    def finish(self) -> None:
        assert self.engine.drain(SOON_S)

    def close(self) -> None:
        self.engine.close()
        assert (self.engine.runs, self.engine._arrived) == (0, [])
        assert (self.engine._hub.runs, self.engine._admission.waiting) == ([], {})


orders = (
    st.builds(
        Plan,
        seed=st.integers(0, 9),
        rows=st.integers(1, 3),
        steps=st.integers(0, 5),
        fails_at=st.sampled_from([None, None, None, 0, 2, 4]),
        habit=st.sampled_from(HABITS),
        priority=st.integers(-1, 1),
        memory=st.integers(0, MEMORY + 2),
        deadline=st.sampled_from([None, None, None, 0, 4, 9]),
    )
    | st.builds(Cancel, number=st.integers(0, 5))
    | st.builds(Pause, turns=st.integers(1, 6))
)


@pytest.fixture(autouse=True)
def _quick_collections() -> Iterator[None]:
    """What was there before the test is not looked through again and again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("kind", [ByHand, ByItself])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(orders=st.lists(orders, min_size=3, max_size=25), is_finished=st.booleans())
def test_any_order_of_events_leaves_nothing_stuck_nothing_kept_and_nothing_different(
    kind: type[ByHand | ByItself], orders: Sequence[Plan | Cancel | Pause], is_finished: bool
) -> None:
    studio = Studio()
    place = kind(studio)
    submitted: list[tuple[Future[Any], Plan]] = []

    for order in orders:
        if isinstance(order, Plan):
            submitted.append((place.submit(order), order))
        elif isinstance(order, Pause):
            place.pause(order.turns)
        elif order.number < len(submitted):
            submitted[order.number][0].cancel()
    if is_finished:
        place.finish()
    place.close()

    while submitted:
        assert_is_right(studio, *submitted.pop(), is_finished)
    assert studio.kept() == []


def assert_is_right(studio: Studio, future: "Future[Any]", plan: Plan, is_finished: bool) -> None:
    assert future.done()
    if future.cancelled():
        return
    error = future.exception(0)
    if error is None:
        torch.testing.assert_close(future.result(), studio.alone(plan), atol=1e-4, rtol=0)
    elif isinstance(error, ValueError):
        assert plan.fails
    elif isinstance(error, DeadlinePassed):
        assert plan.deadline is not None
    else:
        assert isinstance(error, EngineClosed)
        assert not is_finished
