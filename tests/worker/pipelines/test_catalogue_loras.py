from pathlib import Path
from weakref import ref

import pytest
import torch
from diffusers import DiffusionPipeline

from app.contract.adapters import LoraSource
from app.contract.catalogue import Catalogue, Model
from app.contract.errors import LoraUnloadable
from app.contract.generation import Lora
from tests.worker.pipelines.conftest import CPU
from tests.worker.tiny_catalogue import write_catalogue
from worker.engine import Engine
from worker.pipelines.adapters import LoraUnusable
from worker.pipelines.catalogue_loras import CatalogueLoras, lora_file
from worker.pipelines.warm_models import WarmModels
from worker.pipelines.warming import LoadedModel

INK, WASH = Lora(name="ink", scale=0.5), Lora(name="wash")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    torch.set_num_threads(1)
    return Catalogue.read(write_catalogue(tmp_path_factory.mktemp("catalogue"))).find("tiny")


@pytest.fixture
def loras(tiny: Model) -> CatalogueLoras:
    return CatalogueLoras(tiny, DiffusionPipeline.from_pretrained(tiny.source), float("inf"))


def test_a_lora_is_loaded_when_it_is_first_worn_and_no_other(loras: CatalogueLoras) -> None:
    assert loras.wear([]) is None
    assert loras.bytes == 0

    worn = loras.wear([INK])
    one = loras.bytes
    again = loras.wear([INK])

    assert worn == again
    assert loras.bytes == one > 0
    loras.wear([INK, WASH])
    assert loras.bytes > one


def test_those_that_were_not_worn_for_longest_give_way(tiny: Model) -> None:
    loras = CatalogueLoras(tiny, DiffusionPipeline.from_pretrained(tiny.source), 1)
    sizes = []

    for lora in (INK, WASH, INK):
        assert loras.wear([lora])
        sizes.append(loras.bytes)

    assert sizes[0] == sizes[2] != sizes[1]


@pytest.mark.parametrize("name", ["broken", "unheard of"])
def test_one_that_cannot_be_loaded_is_named_and_the_log_says_why(
    loras: CatalogueLoras, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with pytest.raises(LoraUnloadable, match=f"The LoRA {name} cannot be loaded; its worker's log says why"):
        loras.wear([Lora(name=name)])

    assert (
        f"A LoRA of tiny cannot be loaded: {'broken.safetensors' if name == 'broken' else 'The catalogue'}"
        in caplog.text
    )
    assert loras.wear([INK])


def test_a_source_that_is_neither_here_nor_a_hub_id_concerns_only_who_asks(tiny: Model) -> None:
    lost = tiny.model_copy(update={"loras": {"ink": LoraSource(source="no/such/file.safetensors")}})
    loras = CatalogueLoras(lost, DiffusionPipeline.from_pretrained(tiny.source), 1)

    with pytest.raises(LoraUnloadable):
        loras.wear([INK])


def test_a_model_that_leaves_takes_its_loras_and_controlnets_along(tiny: Model, engine: Engine) -> None:
    def load(name: str) -> LoadedModel:
        return LoadedModel.load(tiny.model_copy(update={"name": name}), CPU, engine)

    models = WarmModels(load, memory=1.5 * load("a").bytes)
    with models.use("a") as model:
        assert model.loras.wear([INK])
        reached = [ref(layer) for layer in model.pipelines.own.unet.modules() if "forward" in vars(layer)]
        controlnet = ref(model.pipelines.controlnets["edges"])
    del model

    with models.use("b"):
        assert models.names == ["b"]

    assert len(reached) > 1
    assert not any(layer() for layer in reached)
    assert controlnet() is None


def test_the_file_is_the_one_in_its_folder_or_the_usual_or_the_named(tmp_path: Path) -> None:
    source = LoraSource(source=str(tmp_path))
    (tmp_path / "one.safetensors").touch()
    alone = lora_file(source)
    (tmp_path / "two.safetensors").touch()
    named = lora_file(source.model_copy(update={"weight_name": "two.safetensors"}))
    with pytest.raises(LoraUnusable, match="holds 2 files that could be the LoRA; weight_name tells which"):
        lora_file(source)
    (tmp_path / "pytorch_lora_weights.safetensors").touch()
    usual = lora_file(source)

    assert [file.stem for file in (alone, named, usual)] == ["one", "two", "pytorch_lora_weights"]
