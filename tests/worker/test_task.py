import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from PIL import Image
from redis import Redis
from torch import Tensor, nn

from app.contract import names
from app.contract.catalogue import Catalogue
from app.contract.events import Event, EventType
from app.contract.storage import FOLDER, Storage
from tests.worker.pipelines.conftest import CPU
from tests.worker.queue.front import Front
from worker import task
from worker.engine import Engine
from worker.pipelines.arguments import PromptReader
from worker.pipelines.warm_models import WarmModels
from worker.pipelines.warming import LoadedModel, WarmModel
from worker.queue import Claim, QueueWorker, WorkerBroken
from worker.queue.ledger import Ledger
from worker.task import Workbench, develop, discard

SOON_S = 30.0


class Kernel(nn.Module):
    """Is entered, and left when the test says so; then it fails if it was given an error."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.left = threading.Event(), threading.Event()
        self.error: Exception | None = None

    def forward(self, sample: Tensor) -> Tensor:
        self.entered.set()
        assert self.left.wait(SOON_S)
        if self.error:
            raise self.error
        return sample


class Pipeline:
    """A pipeline of one call of one module."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.components = {"kernel": self.kernel}

    def __call__(self, num_images_per_prompt: int) -> Any:
        return SimpleNamespace(images=self.kernel(torch.rand(num_images_per_prompt, 3, 8, 8)))


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    pipeline = Pipeline()
    yield pipeline
    pipeline.kernel.left.set()


@pytest.fixture
def engine(pipeline: Pipeline) -> Iterator[Engine]:
    engine = Engine()
    engine.adopt(pipeline)
    yield engine
    pipeline.kernel.left.set()
    engine.close()


@pytest.fixture
def workbench(engine: Engine, pipeline: Pipeline, tmp_path: Path) -> Workbench:
    pipelines: Any = SimpleNamespace(of=lambda _generation: pipeline)
    loras: Any = SimpleNamespace(wear=lambda _loras: None)
    model: Any = WarmModel(pipelines, loras, engine, 0, 0, 0.0, PromptReader(pipeline, "mini"), None)
    loaded: Any = SimpleNamespace(bytes=0, warm=lambda: model)
    return Workbench(engine, WarmModels(lambda _name: loaded), Storage(tmp_path.as_uri()))


@pytest.fixture
def claim(redis: Redis, redis_url: str) -> Claim:
    Front(redis_url).admit()
    return claim_of(redis)


def claim_of(redis: Redis) -> Claim:
    [claim] = Ledger(redis, "darkroom-a", QueueWorker(["mini"], connection=redis).queues, lease_s=60).claim(1, 0)
    return claim


def test_a_dead_engine_breaks_the_worker(claim: Claim, workbench: Workbench, engine: Engine) -> None:
    engine.close()

    with pytest.raises(WorkerBroken, match="closed"):
        develop(claim, workbench)


def test_a_kernel_that_never_returns_breaks_the_worker(
    claim: Claim, workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "STUCK_AFTER_S", 0.1)
    claim.job.timeout = 0.1

    with pytest.raises(WorkerBroken, match="stuck"):
        develop(claim, workbench)


def test_a_pipeline_that_ran_into_a_timeout_breaks_nothing(
    claim: Claim, workbench: Workbench, pipeline: Pipeline
) -> None:
    pipeline.kernel.error = TimeoutError("a download took too long")
    pipeline.kernel.left.set()

    with pytest.raises(TimeoutError, match="download"):
        develop(claim, workbench)


def test_a_lost_job_is_cancelled_and_breaks_nothing(claim: Claim, workbench: Workbench, pipeline: Pipeline) -> None:
    def lose() -> None:
        assert pipeline.kernel.entered.wait(SOON_S)
        claim.lose()

    threading.Thread(target=lose).start()

    with pytest.raises(CancelledError):
        develop(claim, workbench)


@pytest.mark.parametrize(("priority", "expected"), [("high", 1), ("normal", 0), ("low", -1)])
def test_a_job_keeps_its_priority_in_the_engine(
    redis: Redis,
    redis_url: str,
    workbench: Workbench,
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    priority: str,
    expected: int,
) -> None:
    Front(redis_url).admit(priority=priority)
    submit, seen = workbench.engine.submit, []

    def noting(*arguments: Any, **options: Any) -> Any:
        seen.append(options["priority"])
        return submit(*arguments, **options)

    monkeypatch.setattr(workbench.engine, "submit", noting)
    pipeline.kernel.left.set()

    develop(claim_of(redis), workbench)

    assert seen == [expected]


def test_a_job_without_a_timeout_is_waited_for(claim: Claim, workbench: Workbench, pipeline: Pipeline) -> None:
    claim.job.timeout = None
    pipeline.kernel.left.set()

    assert len(develop(claim, workbench)["images"]) == 1


def test_a_job_that_asks_for_previews_gets_them_while_it_develops(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    Front(redis_url).admit("mine", width=64, height=64, num_inference_steps=40, previews=3)
    storage = Storage(tmp_path.as_uri())
    with Engine() as engine:

        def load(name: str) -> LoadedModel:
            return LoadedModel.load(Catalogue.read().models[name], CPU, engine)

        development = develop(claim_of(redis), Workbench(engine, WarmModels(load), storage))

    told = [Event.of_entry(*entry) for entry in cast(Any, redis).xrange(names.events_key("mine"))]
    previews = [event.data for event in told if event.type == EventType.PREVIEW]
    files = [storage.read(names.preview_key("mine", preview["step"])) for preview in previews]
    assert len(development["images"]) == 1
    assert 1 <= len(previews) <= 3
    assert all(preview["total_steps"] == 40 for preview in previews)
    assert all(Image.open(BytesIO(content)).format == "WEBP" for content in files)


def test_a_preview_of_a_job_that_was_taken_away_is_not_told_and_not_kept(
    claim: Claim, redis_url: str, tmp_path: Path
) -> None:
    storage = Storage(tmp_path.as_uri())
    Front(redis_url).cancel(claim.job_id)

    task._show(claim, storage, 4, 20, b"webp")

    with pytest.raises(FileNotFoundError):
        storage.read(names.preview_key(claim.job_id, 4))


@pytest.mark.parametrize(
    ("is_erased", "left"), [(False, ["job-1/run", "job/another", "job/inputs"]), (True, ["job-1/run"])]
)
def test_a_run_that_nobody_will_see_leaves_no_pictures_and_an_erased_job_leaves_nothing(
    claim: Claim, tmp_path: Path, is_erased: bool, left: list[str]
) -> None:
    storage, job_id = Storage(tmp_path.as_uri()), claim.job_id
    for folder in (f"{job_id}/{claim.execution_id}", f"{job_id}/another", f"{job_id}/inputs", f"{job_id}-1/run"):
        storage.put(f"{folder}/0.png", b"a picture", "image/png")
    claim.is_erased = is_erased

    discard(claim, storage)

    folders = [str(path.parent.relative_to(tmp_path / FOLDER)) for path in tmp_path.rglob("*.png")]
    assert sorted(folder.replace(job_id, "job") for folder in folders) == left
