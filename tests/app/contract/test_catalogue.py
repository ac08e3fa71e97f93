from pathlib import Path

import pytest

from app.contract.catalogue import Catalogue, CatalogueUnreadable
from app.contract.errors import InvalidField, ModelNotFound
from app.contract.generation import DRAWN_SEED_MAX, GenerationRequest

ENTRY = """
default = "small"
[models.small]
source = "weights"
schedulers = ["DDIMScheduler"]
[models.small.defaults]
width = 64
height = 64
num_inference_steps = 10
guidance_scale = 4.0
scheduler = "{scheduler}"
[models.small.limits]
min_size = 32
max_size = 128
"""


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue.read()


def write(folder: Path, scheduler: str = "DDIMScheduler") -> Path:
    path = folder / "models.toml"
    path.write_text(ENTRY.format(scheduler=scheduler))
    return path


def test_what_a_request_leaves_out_comes_from_the_model(catalogue: Catalogue) -> None:
    model = catalogue.find(None)

    generation = model.fill(GenerationRequest(prompt="a cat", num_inference_steps=8))

    assert generation.num_inference_steps == 8
    assert generation.scheduler == model.defaults.scheduler
    assert (generation.width, generation.height) == (model.defaults.width, model.defaults.height)


def test_a_seed_is_drawn_only_if_none_is_given(catalogue: Catalogue) -> None:
    fill = catalogue.find("mini").fill

    drawn = {fill(GenerationRequest(prompt="a cat")).seed for _ in range(8)}

    assert len(drawn) > 1
    assert max(drawn) <= DRAWN_SEED_MAX
    assert fill(GenerationRequest(prompt="a cat", seed=0)).seed == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 60),
        ("width", 100_000),
        ("height", 129),
        ("num_images", 5),
        ("num_inference_steps", 101),
        ("guidance_scale", 20.5),
        ("scheduler", "os.system"),
    ],
)
def test_a_request_beyond_the_limits_is_refused_by_the_field(catalogue: Catalogue, field: str, value: object) -> None:
    request = GenerationRequest.model_validate({"prompt": "a cat", field: value})

    with pytest.raises(InvalidField) as refused:
        catalogue.find("mini").fill(request)

    assert refused.value.field == field


def test_an_unknown_model_is_refused_with_the_names_of_the_known(catalogue: Catalogue) -> None:
    with pytest.raises(ModelNotFound, match="mini") as refused:
        catalogue.find("midi")

    assert refused.value.field == "model"


def test_a_source_beside_the_catalogue_becomes_a_whole_path(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()

    assert Catalogue.read(write(tmp_path)).find("small").source == str(tmp_path / "weights")


def test_a_source_that_is_no_folder_is_a_hub_id(tmp_path: Path) -> None:
    assert Catalogue.read(write(tmp_path)).find("small").source == "weights"


def test_a_catalogue_whose_default_scheduler_is_not_offered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueUnreadable, match="EulerDiscreteScheduler is not among"):
        Catalogue.read(write(tmp_path, scheduler="EulerDiscreteScheduler"))


def test_picture_n_has_the_seed_plus_n(catalogue: Catalogue) -> None:
    request = GenerationRequest(prompt="a cat", seed=2**63 - 1, num_images=2)

    assert catalogue.find("mini").fill(request).seeds == [2**63 - 1, 0]
