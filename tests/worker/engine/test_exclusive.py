"""Pipelines that change what they share: a small one here; diffusers' own in test_engine."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import FirstBlockCacheConfig
from torch import Tensor, nn

from tests.worker.engine.small_pipelines import Room, Rows, Walk, sample
from tests.worker.engine.tiny_pipelines import flux
from worker.engine import Engine


class Attending(Rows):
    """Has what attention modules have: a processor that can be swapped."""

    def __init__(self) -> None:
        super().__init__()
        self.processor: Callable[[Tensor], Tensor] = torch.tanh
        self.inner = nn.Identity()

    def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
        return self.inner(self.processor(super().forward(sample, timestep, scale)))


class Swapping(Walk):
    """Swaps the processor while it runs, and puts it back unless it is careless."""

    is_careless = False

    def __call__(self, sample: Tensor, steps: int = 3, **_: Any) -> Tensor:  # type: ignore[override]
        sample = self.module(sample)
        before, self.module.processor = self.module.processor, torch.sin
        sample = super().__call__(sample, steps)
        if not self.is_careless:
            self.module.processor = before
        return sample


class Careless(Swapping):
    is_careless = True


class Hooking(Walk):
    """Hangs a hook up around its call, as those do that look inside a text encoder."""

    def __call__(self, sample: Tensor, **_: Any) -> Tensor:  # type: ignore[override]
        handle = self.module.inner.register_forward_hook(lambda _module, _args, output: output * 2)
        sample = self.module(sample)
        handle.remove()
        return sample


@pytest.mark.parametrize(("kind", "exclusive"), [(Swapping, {Swapping}), (Careless, {Careless}), (Hooking, set())])
def test_a_pipeline_that_changes_a_module_harms_nobody_and_runs_exclusively_from_then_on(
    kind: type[Walk], exclusive: set[type]
) -> None:
    room = Room(Attending())
    pipelines = [Walk(room.module), kind(room.module), Walk(room.module), kind(room.module)]
    runs = [room.admit(pipeline, sample=sample(seed)) for seed, pipeline in enumerate(pipelines)]

    results = room.develop(*runs)

    assert room.hub.exclusive == exclusive  # not those whose change is put back after one call
    assert room.module.processor is torch.tanh
    for seed, (pipeline, result) in enumerate(zip(pipelines, results, strict=True)):
        room.module.processor = torch.tanh
        torch.testing.assert_close(result, pipeline(sample(seed)))
    room.module.processor = torch.tanh


def test_an_exclusive_run_has_no_company_and_the_others_have_again_when_it_is_done() -> None:
    room = Room(Attending())
    room.hub.exclusive.add(Swapping)
    early = room.admit(sample=sample(0), steps=2)
    exclusive = room.admit(Swapping(room.module), sample=sample(1), steps=2)
    late = [room.admit(sample=sample(seed), steps=2) for seed in (2, 3)]

    room.develop()

    assert room.module.seen == [1] * 5 + [1, 1, 2, 1, 2] + [2]
    assert not any(run.outcome.error for run in (early, exclusive, *late))


def test_what_an_aborted_run_has_changed_is_put_back() -> None:
    room = Room(Attending())
    changing = room.admit(Swapping(room.module), sample=sample(0), steps=9)
    waiting = room.admit(sample=sample(1))
    while room.module.processor is torch.tanh:
        room.hub.advance()

    room.hub.abort(changing, TimeoutError())
    room.develop(waiting)

    assert room.module.processor is torch.tanh
    torch.testing.assert_close(waiting.outcome.result, room.alone(sample=sample(1)))


def test_aborting_a_run_that_waits_leaves_anothers_change_alone() -> None:
    room = Room(Attending())
    changing = room.admit(Swapping(room.module), sample=sample(0), steps=9)
    waiting = room.admit(sample=sample(1))
    while room.module.processor is torch.tanh:
        room.hub.advance()

    room.hub.abort(waiting, TimeoutError())
    during = room.module.processor
    room.develop(changing)

    assert during is torch.sin
    assert room.hub.exclusive == {Swapping}
    torch.testing.assert_close(changing.outcome.result, Swapping(room.module)(sample(0), steps=9))


def test_a_module_may_hang_up_hooks_of_its_own_while_it_works() -> None:
    class Lazy(Attending):
        def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
            if not self.inner._forward_hooks:
                self.inner.register_forward_hook(lambda _module, _args, output: output * 2)
            return super().forward(sample, timestep, scale)

    room = Room(Lazy())
    runs = [room.admit(sample=sample(seed)) for seed in range(2)]

    room.develop(*runs)

    assert room.hub.exclusive == set()
    assert len(room.module.inner._forward_hooks) == 1


def test_what_the_owner_changes_between_runs_is_nobodys_fault() -> None:
    room = Room(Attending())
    room.develop(room.admit(sample=sample(0)))
    room.module.processor = torch.sin

    room.develop(room.admit(sample=sample(0)))

    assert room.hub.exclusive == set()
    assert room.module.processor is torch.sin


def test_a_model_that_keeps_something_from_step_to_step_serves_one_run_at_a_time() -> None:
    pipeline = flux()
    pipeline.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.2))

    def arguments(seed: int) -> dict[str, Any]:
        numbers = torch.Generator().manual_seed(seed)
        texts = {"prompt_embeds": (1, 4, 16), "pooled_prompt_embeds": (1, 16)}
        given = {name: torch.randn(shape, generator=numbers) for name, shape in texts.items()}
        sizes = {"height": 16, "width": 16, "num_inference_steps": 4 + seed, "output_type": "latent"}
        return {**given, **sizes, "generator": numbers}

    stock = [pipeline(**arguments(seed)).images for seed in range(3)]
    with Engine() as engine:
        engine.adopt(pipeline)
        futures = [engine.submit(pipeline, **arguments(seed)) for seed in range(3)]
        results = [future.result(timeout=60).images for future in futures]
        stats = engine.stats()

    assert all(map(torch.equal, results, stock))
    assert stats.exclusive == ("FluxPipeline",)


class Setting(Walk):
    """Turns a switch of a part off in the middle, as GLIGEN does with its grounding, and leaves it so."""

    def __call__(self, sample: Tensor, steps: int = 3, **_: Any) -> Tensor:  # type: ignore[override]
        sample = super().__call__(sample, steps)
        self.module.is_loud = False
        return super().__call__(sample, steps)


class Switched(Rows):
    is_loud = True

    def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
        return super().forward(sample, timestep, scale * 2.0 if self.is_loud else scale)


def test_a_setting_that_a_run_changes_holds_for_that_run_alone() -> None:
    room = Room(Switched())
    pipelines = [Walk(room.module), Setting(room.module), Walk(room.module), Setting(room.module)]
    runs = [room.admit(pipeline, sample=sample(seed), steps=4) for seed, pipeline in enumerate(pipelines)]

    results = room.develop(*runs)

    assert room.hub.exclusive == {Setting}
    assert room.module.is_loud
    for seed, (pipeline, result) in enumerate(zip(pipelines, results, strict=True)):
        room.module.is_loud = True
        torch.testing.assert_close(result, pipeline(sample(seed), steps=4))


def test_a_setting_that_is_set_to_what_it_was_is_no_change_and_the_owner_may_change_it_later() -> None:
    class Repeating(Walk):
        def __call__(self, sample: Tensor, steps: int = 3, **_: Any) -> Tensor:  # type: ignore[override]
            self.module.is_loud, self.module.strengths = True, [1, 2]
            return super().__call__(sample, steps)

    room = Room(Switched())
    room.module.is_loud, room.module.strengths = True, [1, 2]
    room.admit(Repeating(room.module), sample=sample(0), steps=1)
    lasting = room.admit(sample=sample(1), steps=4)
    room.hub.advance()
    room.module.is_loud = False
    room.develop(lasting)

    assert room.hub.exclusive == set()
    assert not room.module.is_loud


def test_what_a_module_had_set_when_it_failed_harms_nobody_after() -> None:
    class Remembering(Rows):
        def __init__(self) -> None:
            super().__init__()
            self.kept: Tensor | None = None

        def forward(self, sample: Tensor, timestep: Any = 0.0, scale: Any = 1.0) -> Tensor:
            before = self.kept
            del self.kept
            self.kept = sample
            if sample.isinf().any():
                raise ValueError("infinite")
            self.kept = None
            return super().forward(sample if before is None else before, timestep, scale)

    room = Room(Remembering())
    room.develop(room.admit(sample=torch.full((1, 3), torch.inf)))

    (result,) = room.develop(room.admit(sample=sample(1)))

    torch.testing.assert_close(result, room.alone(sample=sample(1)))


def test_a_text_that_is_known_is_encoded_again_for_a_run_that_looks_inside() -> None:
    class Encoder(Attending):
        def forward(self, tokens: Tensor) -> Tensor:  # type: ignore[override]
            return self.inner(tokens.float())

    class Looking(Walk):
        def __call__(self, sample: Tensor, **_: Any) -> Tensor:  # type: ignore[override]
            seen: list[Tensor] = []
            handle = self.module.inner.register_forward_hook(lambda _module, _args, output: seen.append(output))
            self.module(sample)
            handle.remove()
            return seen[0]

    room = Room(Encoder())
    tokens = torch.tensor([[1, 2]])

    results = [
        *room.develop(room.admit(sample=tokens, steps=1)),
        *room.develop(room.admit(Looking(room.module), sample=tokens)),
    ]

    assert torch.equal(*results)
