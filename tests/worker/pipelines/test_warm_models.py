import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from app.contract.catalogue import Model
from app.contract.errors import ModelTooLarge, ModelUnloadable
from app.contract.generation import GenerationRequest
from tests.worker.pipelines.conftest import CPU
from worker.engine import Engine
from worker.pipelines.arguments import arguments
from worker.pipelines.warm_models import WarmModels
from worker.pipelines.warming import LoadedModel, WarmModel

SOON_S = 30.0


class Shop:
    """Tiny models of any name, loaded from one folder, in a memory that is measured in models."""

    def __init__(self, model: Model, engine: Engine, room: float) -> None:
        self.model = model
        self.engine = engine
        self.loads: Counter[str] = Counter()
        self.sources: dict[str, str] = {}
        self.loading, self.may_load = threading.Event(), threading.Event()
        self.may_load.set()
        self.size = LoadedModel.load(model, CPU, engine).bytes
        self.limits: list[float] = []
        self.models = WarmModels(self.load, room * self.size, lambda limit: self.limits.append(limit / self.size))

    def load(self, name: str) -> LoadedModel:
        self.loads[name] += 1
        self.loading.set()
        assert self.may_load.wait(SOON_S)
        source = self.sources.get(name, self.model.source)
        return LoadedModel.load(self.model.model_copy(update={"name": name, "source": source}), CPU, self.engine)

    def submit(self, model: WarmModel, **asked: Any) -> Any:
        generation = self.model.fill(GenerationRequest(prompt="a", seed=1, **asked))
        pipeline = model.pipelines.of(generation)
        return self.engine.submit(pipeline, **arguments(pipeline, generation))

    def develop(self, name: str) -> Any:
        with self.models.use(name) as model:
            images = self.submit(model).result(SOON_S).images
            assert len(self.models.names) * self.size <= self.models.memory
            return images


@pytest.fixture
def shop(tiny_model: Model, engine: Engine) -> Callable[[float], Shop]:
    return lambda room: Shop(tiny_model, engine, room)


def test_the_least_recently_used_model_leaves_first(shop: Callable[[float], Shop]) -> None:
    studio = shop(2.5)

    for name in ("a", "b", "a", "c"):
        studio.develop(name)

    assert studio.models.names == ["a", "c"]
    assert studio.loads == {"a": 1, "b": 1, "c": 1}
    assert {module.model for module in studio.engine.stats().modules} == {"a", "c"}


def test_a_model_that_leaves_gives_its_memory_back(shop: Callable[[float], Shop]) -> None:
    studio = shop(1.5)
    with studio.models.use("a") as model:
        unet = ref(model.pipelines.own.unet)
    del model

    studio.develop("b")

    assert unet() is None


def test_a_model_in_use_is_waited_for_and_takes_no_new_users_meanwhile(shop: Callable[[float], Shop]) -> None:
    studio = shop(1.5)
    with ThreadPoolExecutor() as jobs:
        with studio.models.use("a") as model:
            studio.loading.clear()
            needs_room = jobs.submit(studio.develop, "b")
            assert studio.loading.wait(SOON_S)
            while studio.models.leaving != "a":
                assert not needs_room.done()
            comes_late = jobs.submit(studio.develop, "a")
            images = studio.submit(model).result(SOON_S).images

            assert not comes_late.done()
            assert studio.models.names == ["a"]

        needs_room.result(SOON_S)
        assert comes_late.result(SOON_S).allclose(images, atol=1e-4)
    assert studio.loads == {"a": 2, "b": 1}


def test_a_cancelled_run_keeps_its_model_until_it_has_left_the_engine(shop: Callable[[float], Shop]) -> None:
    studio = shop(1.5)
    with studio.models.use("a") as model:
        studio.submit(model, num_inference_steps=150).cancel()

    studio.develop("b")

    assert studio.models.names == ["b"]


def test_jobs_that_want_one_cold_model_load_it_once(shop: Callable[[float], Shop]) -> None:
    studio = shop(1.5)
    studio.may_load.clear()

    with ThreadPoolExecutor() as jobs:
        running = [jobs.submit(studio.develop, "a") for _ in range(3)]
        assert studio.loading.wait(SOON_S)
        studio.may_load.set()
        images = [run.result(SOON_S) for run in running]

    assert studio.loads == {"a": 1}
    assert all(image.allclose(images[0], atol=1e-4) for image in images)


def test_the_runs_of_other_models_go_on_while_one_is_loaded(shop: Callable[[float], Shop]) -> None:
    studio = shop(2.5)
    studio.develop("a")
    studio.may_load.clear()

    with ThreadPoolExecutor() as jobs:
        waiting = jobs.submit(studio.develop, "b")
        studio.develop("a")
        assert not waiting.done()
        studio.may_load.set()
        waiting.result(SOON_S)

    assert studio.models.names == ["a", "b"]


def test_a_load_that_fails_fails_those_who_wanted_it_and_sends_nobody_away(
    shop: Callable[[float], Shop], tmp_path: Path
) -> None:
    studio = shop(1.5)
    studio.develop("a")
    studio.sources["b"] = str(tmp_path)
    studio.loading.clear()
    studio.may_load.clear()

    with ThreadPoolExecutor() as jobs:
        running = [jobs.submit(studio.develop, "b") for _ in range(2)]
        assert studio.loading.wait(SOON_S)
        studio.may_load.set()
        failures = [run.exception(SOON_S) for run in running]

    assert {str(failure) for failure in failures} == {"The model b cannot be loaded; its worker's log says why."}
    assert studio.models.names == ["a"]
    del studio.sources["b"]
    studio.develop("b")


def test_a_model_that_cannot_be_warmed_is_given_back(
    shop: Callable[[float], Shop], tiny_model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    studio = shop(1.5)
    beyond_its_limits = tiny_model.defaults.model_copy(update={"width": 1000})
    studio.model = tiny_model.model_copy(update={"defaults": beyond_its_limits})

    with pytest.raises(ModelUnloadable):
        studio.develop("a")

    assert "The model a was loaded and cannot be warmed: a draws sizes from 8 to 64" in caplog.text
    assert studio.models.names == []
    assert studio.engine.stats().modules == ()


def test_a_model_that_never_fits_is_refused_with_both_sizes(shop: Callable[[float], Shop]) -> None:
    studio = shop(0.5)

    with pytest.raises(ModelTooLarge, match=r"The model a takes \d+ MiB of memory; there are \d+"):
        studio.develop("a")


def test_runs_have_the_memory_that_weights_leave_them_from_before_a_model_is_placed(
    shop: Callable[[float], Shop], tmp_path: Path
) -> None:
    studio = shop(2.5)
    studio.sources["broken"] = str(tmp_path)

    for name in ("a", "b", "c"):
        studio.develop(name)
    with pytest.raises(ModelUnloadable):
        studio.develop("broken")

    assert studio.limits == pytest.approx([1.5, 1.5, 0.5, 0.5, 0.5, 0.5], abs=0.01)


def test_a_start_warms_the_models_that_fit_and_passes_over_those_at_fault(
    shop: Callable[[float], Shop], tmp_path: Path
) -> None:
    studio = shop(2.5)
    studio.sources["broken"] = str(tmp_path)

    studio.models.warm(["a", "broken", "b", "c", "d"])

    assert studio.models.names == ["a", "b"]
    assert studio.loads == {"a": 1, "broken": 1, "b": 1, "c": 1}


def test_a_start_without_any_model_says_what_is_wrong(shop: Callable[[float], Shop], tmp_path: Path) -> None:
    studio = shop(2.5)
    studio.sources["broken"] = str(tmp_path)

    with pytest.raises(ModelUnloadable, match=str(tmp_path)):
        studio.models.warm(["broken"])


def test_many_jobs_of_more_models_than_fit_all_get_their_pictures(shop: Callable[[float], Shop]) -> None:
    studio = shop(2.5)
    wanted = "abcabacbbcacabccbaabcbac"

    with ThreadPoolExecutor(8) as jobs:
        images = list(jobs.map(studio.develop, wanted, timeout=SOON_S))

    assert all(image.allclose(images[0], atol=1e-4) for image in images)
    assert len(studio.models.names) == 2
