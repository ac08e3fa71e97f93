import json
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from app.contract.catalogue import Catalogue
from app.contract.generation import Generation, GenerationRequest, Mask, Picture, Pictures
from app.contract.version import installed_version
from worker.outputs import encode
from worker.recipe import infotext, request_body, warnings

PICTURE: dict[str, Any] = {"content_type": "image/png", "width": 128, "height": 128, "bytes": 9}
PROMPT = "a cat, wearing: a space helmet"
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))


def generation(pictures: Pictures | None = None, **asked: Any) -> Generation:
    request = GenerationRequest.model_validate({"prompt": PROMPT, "seed": 3, **asked})
    return Catalogue.read().find("mini").fill(request, pictures or Pictures())


def written(asked: Generation, seed: int = 3) -> tuple[str, Any]:
    """Returns the infotext and the body that the file holds."""
    file = Image.open(BytesIO(encode(NOISE, asked, seed)))
    if file.format == "PNG":
        return str(file.text["parameters"]), json.loads(file.text["darkroom"])  # type: ignore[attr-defined]
    exif = file.getexif()
    comment = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    assert comment.startswith(b"UNICODE\0")
    return comment[8:].decode("utf-16-be"), json.loads(exif[ExifTags.Base.ImageDescription])


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("prompt", [PROMPT, "eine Katze im Weltraumhelm, süß 🐈"])
def test_a_file_holds_its_recipe_in_both_forms(output_format: str, prompt: str) -> None:
    asked = generation(prompt=prompt, output={"format": output_format})

    text, body = written(asked)

    assert text == infotext(asked, 3)
    assert body == request_body(asked, 3)
    assert body["prompt"] == prompt


def test_the_text_is_what_readers_of_the_web_uis_files_expect() -> None:
    asked = generation(negative_prompt="a dog", num_inference_steps=8, guidance_scale=2.5, scheduler="DDIMScheduler")

    version = f"Darkroom {installed_version()}"
    assert infotext(asked, 4).splitlines() == [
        PROMPT,
        "Negative prompt: a dog",
        f"Steps: 8, Sampler: DDIM, CFG scale: 2.5, Seed: 4, Size: 128x128, Model: mini, Version: {version}",
    ]


def test_adapters_and_strength_are_in_the_text_in_quotes_where_they_need_them() -> None:
    asked = generation(Pictures(image=[Picture(sha256="a", **PICTURE)]), strength=0.5)
    loras = [{"name": "ink", "scale": 0.5}, {"name": "wash"}]
    asked = Generation.model_validate(asked.model_dump() | {"loras": loras})

    last = infotext(asked, 3).splitlines()[-1]

    assert 'Denoising strength: 0.5, Loras: "ink: 0.5, wash: 1.0", Version' in last


def test_the_body_asks_for_the_same_picture_alone() -> None:
    asked = generation(num_images=3, previews=2, metadata={"who": "me"}, deadline_s=9, priority="high")

    request = GenerationRequest.model_validate(request_body(asked, 5))

    again = Catalogue.read().find("mini").fill(request)
    told = {"num_images": 1, "seed": 5, "previews": 0, "metadata": {}, "deadline_s": None, "priority": "normal"}
    assert again == asked.model_copy(update=told)


def test_pictures_stand_in_the_body_by_their_digest() -> None:
    image, mask = Picture(sha256="a", **PICTURE), Mask(sha256="b", **PICTURE)

    body = request_body(generation(Pictures(image=[image], mask=mask)), 3)

    assert (body["image"], body["mask"], body["strength"]) == ("sha256:a", "sha256:b", 1.0)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_a_file_without_its_recipe_has_the_same_pixels_and_says_nothing(output_format: str) -> None:
    asked = generation(output={"format": output_format})
    silent = generation(output={"format": output_format, "metadata": False})

    with_recipe, without = (encode(NOISE, each, 3) for each in (asked, silent))

    assert Image.open(BytesIO(with_recipe)).tobytes() == Image.open(BytesIO(without)).tobytes()
    assert not any(word.encode(how) in without for word in ("helmet", "mini") for how in ("utf-8", "utf-16-be"))


def test_a_recipe_that_no_jpeg_can_hold_is_left_out_with_a_warning() -> None:
    asked = generation(prompt="猫" * 8_000, negative_prompt="犬" * 8_000, output={"format": "jpeg"})

    assert not Image.open(BytesIO(encode(NOISE, asked, 3))).getexif()
    assert [warning.split(":")[0] for warning in warnings(asked)] == ["output.metadata"]
    assert warnings(generation(output={"format": "jpeg"})) == warnings(generation()) == []
