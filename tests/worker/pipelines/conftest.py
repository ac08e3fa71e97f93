from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from app.contract.catalogue import Defaults, Limits, Model
from tests.worker.engine import tiny_pipelines
from worker.engine import Engine
from worker.pipelines.placement import Placement

CPU = Placement(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of the catalogue whose folder holds a tiny Stable Diffusion."""
    torch.set_num_threads(1)
    folder: Path = tmp_path_factory.mktemp("tiny")
    tiny_pipelines.stable_diffusion(folder).save_pretrained(folder)
    return Model(
        name="tiny",
        source=str(folder),
        defaults=Defaults(width=32, height=32, num_inference_steps=2, guidance_scale=2.0, scheduler="DDIMScheduler"),
        limits=Limits(min_size=8, max_size=64),
        schedulers=["DDIMScheduler", "EulerDiscreteScheduler"],
    )


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()
