from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from app.contract.errors import InvalidField
from app.contract.generation import GenerationRequest
from app.pictures import Files, Upload
from app.pictures.inspection import PictureLimits
from app.pictures.intake import Intake, Taken
from tests.picture_files import encoded, scene

pytestmark = pytest.mark.anyio
PNG, JPEG = encoded(scene()), encoded(scene(), "JPEG")
TEXT = b64encode(PNG).decode()
SEE_THROUGH = encoded(scene().convert("RGBA"))


async def take(limits: PictureLimits, files: Files = Files(), **asked: Any) -> Taken:  # noqa: B008 - it is frozen
    return await Intake(limits).take(GenerationRequest(prompt="a cat", **asked), files)


async def refused(limits: PictureLimits, files: Files = Files(), **asked: Any) -> tuple[str | None, str]:  # noqa: B008
    with pytest.raises(InvalidField) as error:
        await take(limits, files, **asked)
    return error.value.field, str(error.value)


async def test_a_request_without_pictures_has_none(limits: PictureLimits) -> None:
    taken = await take(limits)

    assert (taken.pictures.image, taken.pictures.mask, taken.pictures.control, taken.contents) == ([], None, None, {})


async def test_pictures_in_the_request_and_beside_it_are_described_and_kept_by_their_digest(
    limits: PictureLimits,
) -> None:
    control = {"name": "edges", "image": f"data:image/png;base64,{TEXT}"}

    taken = await take(limits, Files(image=(Upload(JPEG),), mask=Upload(PNG)), control=control)

    [image], mask = taken.pictures.image, taken.pictures.mask
    assert mask
    assert (image.content_type, image.width, image.height, image.bytes) == ("image/jpeg", 64, 48, len(JPEG))
    assert (image.sha256, mask.sha256, mask.is_alpha) == (sha256(JPEG).hexdigest(), sha256(PNG).hexdigest(), False)
    assert taken.contents == {image.sha256: JPEG, mask.sha256: PNG}
    assert taken.pictures.control
    assert taken.pictures.control.sha256 == mask.sha256


async def test_an_alpha_mask_says_so_and_has_an_alpha_channel(limits: PictureLimits) -> None:
    taken = await take(limits, Files(mask=Upload(SEE_THROUGH), mask_is_alpha=True), image=TEXT)

    assert taken.pictures.mask
    assert taken.pictures.mask.is_alpha
    field, sentence = await refused(limits, Files(mask=Upload(PNG), mask_is_alpha=True), image=TEXT)
    assert (field, "no alpha" in sentence) == ("mask", True)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"image": "a cat"}, "image"),
        ({"image": [TEXT, "a cat"]}, "image.1"),
        ({"image": ["a cat"]}, "image"),
        ({"image": TEXT, "mask": TEXT[:-8]}, "mask"),
        ({"control": {"name": "edges", "image": "a cat"}}, "control.image"),
        ({"control": {"name": "edges"}}, "control.image"),
    ],
)
async def test_a_refused_picture_is_named(limits: PictureLimits, asked: dict[str, Any], field: str) -> None:
    assert (await refused(limits, **asked))[0] == field


@pytest.mark.parametrize(
    ("files", "asked", "field"),
    [
        (Files(image=(Upload(PNG), Upload(b"GIF89a"))), {}, "image.1"),
        (Files(image=(Upload(PNG, "image/jpeg"),)), {}, "image"),
        (Files(image=(Upload(PNG),)), {"image": TEXT}, "image"),
        (Files(mask=Upload(PNG)), {"mask": TEXT}, "mask"),
        (Files(control_image=Upload(PNG)), {"control": {"name": "edges", "image": TEXT}}, "control.image"),
        (Files(control_image=Upload(PNG)), {}, "control"),
    ],
)
async def test_a_refused_file_is_named(limits: PictureLimits, files: Files, asked: dict[str, Any], field: str) -> None:
    assert (await refused(limits, files, **asked))[0] == field


@pytest.mark.parametrize("address", ["http://127.0.0.1/cat.png", "HTTPS://example.com/cat.png"])
async def test_no_address_is_fetched_unless_a_setting_allows_it(limits: PictureLimits, address: str) -> None:
    field, sentence = await refused(limits, image=address)

    assert field == "image"
    assert "DARKROOM_PICTURE_URLS is off" in sentence
