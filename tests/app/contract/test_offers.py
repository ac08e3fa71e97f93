"""What a model of the catalogue takes beyond a prompt: pictures, LoRAs and ControlNets."""

from pathlib import Path
from typing import Any

import pytest

from app.contract.catalogue import Catalogue, CatalogueUnreadable, Model
from app.contract.errors import InvalidField
from app.contract.generation import GenerationRequest, Mask, Picture, Pictures

ENTRY = """
default = "small"
[models.small]
source = "weights"
tasks = ["text-to-image", "image-to-image"]
schedulers = ["DDIMScheduler"]
[models.small.defaults]
width = 64
height = 64
num_inference_steps = 10
guidance_scale = 4.0
scheduler = "DDIMScheduler"
strength = 0.6
[models.small.limits]
min_size = 32
max_size = 128
[models.small.loras.ink]
source = "ink.safetensors"
[models.small.loras.wash]
source = "someone/wash"
[models.small.controlnets.edges]
source = "edges"
tasks = ["text-to-image"]
"""
PICTURE: dict[str, Any] = {"sha256": "0" * 64, "content_type": "image/png", "bytes": 1}


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "models.toml"
    path.write_text(ENTRY)
    return path


@pytest.fixture
def small(catalogue: Path) -> Model:
    return Catalogue.read(catalogue).find("small")


@pytest.fixture
def mini() -> Model:
    return Catalogue.read().find("mini")


def request(**asked: Any) -> GenerationRequest:
    return GenerationRequest.model_validate({"prompt": "a cat", **asked})


def picture(width: int = 64, height: int = 64) -> Picture:
    return Picture(width=width, height=height, **PICTURE)


def image(width: int = 64, height: int = 64) -> Pictures:
    return Pictures(image=[picture(width, height)])


def masked() -> Pictures:
    return Pictures(image=[picture()], mask=Mask(width=64, height=64, **PICTURE))


def controlled() -> Pictures:
    return Pictures(control=picture())


def control(name: str) -> dict[str, Any]:
    return {"name": name, "image": "...", "scale": 0.5}


def test_what_came_with_the_request_decides_the_task_and_its_strength(mini: Model) -> None:
    filled = [mini.fill(request(), pictures) for pictures in (Pictures(), image(), masked())]

    tasks = [(each.task, each.strength) for each in filled]
    assert tasks == [("text-to-image", None), ("image-to-image", 0.8), ("inpainting", 1.0)]
    assert mini.fill(request(strength=0.5), masked()).strength == 0.5


def test_an_adapter_that_is_asked_for_stays_with_the_generation(small: Model) -> None:
    asked = request(loras=[{"name": "ink", "scale": 0.5}], control=control("edges"))

    generation = small.fill(asked, controlled())

    assert [(lora.name, lora.scale) for lora in generation.loras] == [("ink", 0.5)]
    assert generation.control
    assert (generation.control.name, generation.control.scale) == ("edges", 0.5)
    assert generation.control.image == controlled().control


@pytest.mark.parametrize(
    ("seen", "asked", "drawn"),
    [
        ((102, 80), {}, (104, 80)),
        ((400, 200), {}, (128, 64)),
        ((400, 20), {}, (128, 32)),
        ((16, 8), {}, (64, 32)),
        ((400, 200), {"width": 96}, (96, 48)),
        ((400, 200), {"height": 32}, (64, 32)),
        ((400, 200), {"width": 40, "height": 48}, (40, 48)),
    ],
)
def test_a_picture_is_drawn_in_the_shape_of_the_one_it_comes_from(
    small: Model, seen: tuple[int, int], asked: dict[str, int], drawn: tuple[int, int]
) -> None:
    generation = small.fill(request(**asked), image(*seen))

    assert (generation.width, generation.height) == drawn


@pytest.mark.parametrize(
    ("field", "asked", "pictures", "reason"),
    [
        ("mask", {}, masked(), "small does text-to-image, image-to-image, not inpainting"),
        ("mask", {}, Pictures(mask=masked().mask), "there is no image"),
        ("mask", {}, Pictures(image=[picture(32, 64)], mask=masked().mask), "mask has 64 x 64, and its image 32 x 64"),
        ("image", {}, Pictures(image=[picture(), picture()]), "small looks at 1 of a request's images, not 2"),
        ("strength", {"strength": 0.5}, Pictures(), "goes with an image"),
        ("loras.1.name", {"loras": [{"name": "ink"}, {"name": "oil"}]}, Pictures(), "no LoRA 'oil'; it has ink, wash"),
        ("loras.1.name", {"loras": [{"name": "ink"}, {"name": "ink"}]}, Pictures(), "asked for twice"),
        ("control.name", {"control": control("depth")}, controlled(), "no ControlNet 'depth'; it has edges"),
        (
            "control.name",
            {"control": control("edges")},
            Pictures(image=[picture()], control=picture()),
            "edges is followed in text-to-image, not image-to-image",
        ),
    ],
)
def test_what_the_model_cannot_do_is_refused_by_the_field(
    small: Model, field: str, asked: dict[str, Any], pictures: Pictures, reason: str
) -> None:
    with pytest.raises(InvalidField, match=reason) as refused:
        small.fill(request(**asked), pictures)

    assert refused.value.field == field


@pytest.mark.parametrize(("strength", "steps", "kept"), [(0.09, 10, 1), (0.01, 49, 1), (0.5, 1, 1), (0.5, 10, 5)])
def test_any_strength_leaves_a_step(small: Model, strength: float, steps: int, kept: int) -> None:
    generation = small.fill(request(strength=strength, num_inference_steps=steps), image())

    assert generation.strength
    assert int(generation.num_inference_steps * generation.strength) == kept


def test_a_model_that_has_no_strength_takes_none(small: Model) -> None:
    editing = small.model_copy(update={"defaults": small.defaults.model_copy(update={"strength": None})})

    assert editing.fill(request(), image()).strength is None
    with pytest.raises(InvalidField, match="small takes none"):
        editing.fill(request(strength=0.5), image())


def test_a_model_that_only_edits_needs_an_image(small: Model) -> None:
    editing = small.model_copy(update={"tasks": ["image-to-image"]})

    with pytest.raises(InvalidField, match="small does image-to-image, not text-to-image") as refused:
        editing.fill(request())

    assert refused.value.field == "image"


def test_sources_of_adapters_are_seen_from_the_catalogue(catalogue: Path) -> None:
    file, folder = catalogue.with_name("ink.safetensors"), catalogue.with_name("edges")
    file.touch()
    folder.mkdir()

    small = Catalogue.read(catalogue).find("small")

    assert {name: lora.source for name, lora in small.loras.items()} == {"ink": str(file), "wash": "someone/wash"}
    assert small.controlnets["edges"].source == str(folder)


def test_a_controlnet_for_a_task_that_its_model_has_not_is_refused(catalogue: Path) -> None:
    catalogue.write_text(ENTRY + 'description = "lines"\n')
    assert Catalogue.read(catalogue).find("small").tasks_of("edges") == ["text-to-image"]
    catalogue.write_text(ENTRY.replace('tasks = ["text-to-image"]', 'tasks = ["inpainting"]'))

    with pytest.raises(CatalogueUnreadable, match="the ControlNet edges has tasks that the model has not: inpainting"):
        Catalogue.read(catalogue)
