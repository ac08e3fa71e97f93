import logging
from pathlib import Path

import pytest
import torch

from app.contract.catalogue import Catalogue
from app.contract.errors import ModelUnloadable
from worker.pipelines.loading import load


def test_a_model_is_loaded_once_under_all_its_schedulers() -> None:
    model = Catalogue.read().find("mini")

    loaded = load(model, torch.float32)

    pipelines = {name: loaded.find(name, "text-to-image") for name in model.schedulers}
    assert {name: type(each.scheduler).__name__ for name, each in pipelines.items()} == {
        name: name for name in model.schedulers
    }
    assert len({id(each.unet) for each in pipelines.values()}) == 1
    assert {each.unet.dtype for each in pipelines.values()} == {torch.float32}


def test_a_prompt_that_is_cut_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = load(Catalogue.read().find("mini"), torch.float32).own

    with caplog.at_level(logging.DEBUG):
        pipeline.encode_prompt("secret " * 100, torch.device("cpu"), 1, False)

    assert "secret" not in caplog.text


def test_a_model_without_weights_is_refused_by_name(tmp_path: Path) -> None:
    model = Catalogue.read().find("mini").model_copy(update={"source": str(tmp_path)})

    with pytest.raises(ModelUnloadable, match="The model mini cannot be loaded"):
        load(model, torch.float32)


def test_a_scheduler_that_does_not_exist_is_refused_by_name() -> None:
    model = Catalogue.read().find("mini").model_copy(update={"schedulers": ["DDIMScheduler", "MadeUpScheduler"]})

    with pytest.raises(ModelUnloadable, match="MadeUpScheduler"):
        load(model, torch.float32)
