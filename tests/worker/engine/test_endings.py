"""How runs end other than by being done."""

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from typing import Any

import numpy as np
import pytest
import torch

from worker.engine import DeadlinePassed, Engine, EngineClosed, ModuleInUse, NotAdopted, SharedModuleChanged

SOON = 30.0


def arguments(seed: int, num_inference_steps: int = 4, **more: Any) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    steps = {"num_inference_steps": num_inference_steps}
    return {"prompt": "a cat", "generator": generator, "output_type": "np", **steps, **more}


class Gate:
    """Holds a run at a step until it is opened."""

    def __init__(self, step: int = 2) -> None:
        self.step = step
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.last_step = 0

    def __call__(self, step: int, _total: int, _latents: Any) -> None:
        self.last_step = step
        if step == self.step:
            self.reached.set()
            assert self.opened.wait(SOON)


def fail(*_: Any) -> None:
    raise ValueError("this picture is cursed")


def test_a_cancelled_run_stops_at_its_next_step_and_the_others_are_unchanged(
    engine: Engine, stable_diffusion: Any
) -> None:
    engine.adopt(stable_diffusion)
    gate = Gate()
    leaving = engine.submit(stable_diffusion, on_step=gate, **arguments(1, num_inference_steps=50))
    staying = engine.submit(stable_diffusion, **arguments(2))
    assert gate.reached.wait(SOON)

    was_cancelled = leaving.cancel()
    gate.opened.set()

    assert was_cancelled
    with pytest.raises(CancelledError):
        leaving.result(timeout=SOON)
    assert np.abs(staying.result(timeout=SOON).images - stable_diffusion(**arguments(2)).images).max() < 1e-4
    assert engine.drain(timeout=SOON)
    assert gate.last_step == 2


def test_a_cancelled_run_frees_its_place_and_tells_who_waits(engine: Engine, stable_diffusion: Any) -> None:
    engine.adopt(stable_diffusion)
    gate = Gate()
    future = engine.submit(stable_diffusion, on_step=gate, **arguments(1, num_inference_steps=50))
    assert gate.reached.wait(SOON)

    future.cancel()
    runs_before = engine.runs
    gate.opened.set()

    assert runs_before == 1
    assert wait([future], timeout=SOON).done == {future}
    assert engine.drain(timeout=SOON)
    assert engine.runs == 0


def test_a_run_past_its_deadline_ends_with_deadline_passed(engine: Engine, stable_diffusion: Any) -> None:
    engine.adopt(stable_diffusion)

    late = engine.submit(stable_diffusion, deadline=0.0, **arguments(1, num_inference_steps=900))
    in_time = engine.submit(stable_diffusion, deadline=600.0, **arguments(2))

    with pytest.raises(DeadlinePassed):
        late.result(timeout=SOON)
    assert in_time.result(timeout=SOON).images.shape == (1, 16, 16, 3)


def test_a_run_that_raises_fails_alone(engine: Engine, stable_diffusion: Any) -> None:
    engine.adopt(stable_diffusion)

    futures = [
        engine.submit(stable_diffusion, on_step=fail, **arguments(1)),
        engine.submit(stable_diffusion, **arguments(2)),
        engine.submit(stable_diffusion, **arguments(3, prompt=3)),
    ]

    with pytest.raises(ValueError, match="cursed"):
        futures[0].result(timeout=SOON)
    with pytest.raises(ValueError, match="`prompt` has to be"):
        futures[2].result(timeout=SOON)
    expected = stable_diffusion(**arguments(2)).images
    assert np.abs(futures[1].result(timeout=SOON).images - expected).max() < 1e-4


@pytest.mark.parametrize(
    "change",
    [lambda own: own.vae.to(torch.bfloat16), lambda own: own.vae.half(), lambda own: own.load_lora_weights("style")],
    ids=["to", "half", "load_lora_weights"],
)
def test_a_run_that_would_change_what_others_share_is_refused(
    engine: Engine, stable_diffusion: Any, change: Callable[[Any], Any]
) -> None:
    engine.adopt(stable_diffusion)

    def callback(own: Any, *_: Any) -> dict[str, Any]:
        change(own)
        return {}

    future = engine.submit(stable_diffusion, **arguments(1, callback_on_step_end=callback))

    with pytest.raises(SharedModuleChanged):
        future.result(timeout=SOON)
    assert stable_diffusion.vae.dtype is torch.float32


def test_a_run_may_ask_for_the_device_and_type_that_a_module_has(engine: Engine, stable_diffusion: Any) -> None:
    engine.adopt(stable_diffusion)

    def callback(own: Any, *_: Any) -> dict[str, Any]:
        own.vae.to("cpu", torch.float32)
        return {}

    future = engine.submit(stable_diffusion, **arguments(1, callback_on_step_end=callback))

    assert future.result(timeout=SOON).images.shape == (1, 16, 16, 3)


def test_closing_aborts_what_is_in_flight_and_refuses_what_comes(stable_diffusion: Any) -> None:
    engine = Engine()
    engine.adopt(stable_diffusion)
    gate = Gate()
    future = engine.submit(stable_diffusion, on_step=gate, **arguments(1, num_inference_steps=50))
    assert gate.reached.wait(SOON)

    threading.Timer(0.05, gate.opened.set).start()
    engine.close()

    with pytest.raises(EngineClosed):
        future.result(timeout=SOON)
    with pytest.raises(EngineClosed):
        engine.submit(stable_diffusion, **arguments(1))
    assert gate.last_step == 2


def test_leaving_the_engines_block_waits_for_its_runs(stable_diffusion: Any) -> None:
    with Engine() as engine:
        engine.adopt(stable_diffusion)
        future = engine.submit(stable_diffusion, **arguments(1))

    assert future.done()
    assert future.result().images.shape == (1, 16, 16, 3)


def test_draining_gives_up_after_its_time(engine: Engine, stable_diffusion: Any) -> None:
    engine.adopt(stable_diffusion)
    gate = Gate()
    engine.submit(stable_diffusion, on_step=gate, **arguments(1))
    assert gate.reached.wait(SOON)

    was_drained = engine.drain(timeout=0.01)
    gate.opened.set()

    assert not was_drained
    assert engine.drain(timeout=SOON)


def test_a_pipeline_that_is_not_adopted_is_refused(engine: Engine, stable_diffusion: Any) -> None:
    with pytest.raises(NotAdopted, match="unet"):
        engine.submit(stable_diffusion, **arguments(1))


def test_a_module_belongs_to_one_engine(engine: Engine, stable_diffusion: Any) -> None:
    engine.adopt(stable_diffusion)

    with Engine() as other, pytest.raises(ModuleInUse, match="Another engine has adopted"):
        other.adopt(stable_diffusion)


def test_a_pipeline_with_runs_in_flight_is_not_released(engine: Engine, stable_diffusion: Any) -> None:
    engine.adopt(stable_diffusion)
    gate = Gate()
    future = engine.submit(stable_diffusion, on_step=gate, **arguments(1))
    assert gate.reached.wait(SOON)

    with pytest.raises(ModuleInUse, match="in flight"):
        engine.release(stable_diffusion)
    gate.opened.set()

    assert future.result(timeout=SOON).images.shape == (1, 16, 16, 3)


def test_a_released_pipeline_can_be_adopted_again(engine: Engine, stable_diffusion: Any) -> None:
    engine.adopt(stable_diffusion)
    engine.release(stable_diffusion)
    with Engine() as other:
        other.adopt(stable_diffusion)

        future: Future[Any] = other.submit(stable_diffusion, **arguments(1))

        assert future.result(timeout=SOON).images.shape == (1, 16, 16, 3)


def test_nothing_of_an_ended_run_is_kept(engine: Engine, stable_diffusion: Any) -> None:
    engine.adopt(stable_diffusion)
    latents: list[weakref.ref[torch.Tensor]] = []

    def fail_with_latents(step: int, _total: int, tensor: torch.Tensor) -> None:
        latents.append(weakref.ref(tensor))
        if step == 2:
            raise ValueError("stop")

    future = engine.submit(stable_diffusion, on_step=fail_with_latents, **arguments(1))
    assert isinstance(future.exception(timeout=SOON), ValueError)
    assert engine.drain(timeout=SOON)
    gc.collect()

    assert [reference() for reference in latents] == [None, None]
