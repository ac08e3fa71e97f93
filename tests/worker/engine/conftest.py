from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.worker.engine import tiny_pipelines
from worker.engine import Engine


@pytest.fixture(scope="session", autouse=True)
def _one_core() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="session")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_pipelines.stable_diffusion(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def stable_diffusion_xl(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_pipelines.stable_diffusion_xl(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(max_rows=16)
    yield engine
    engine.close()
