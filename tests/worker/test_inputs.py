from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from app.contract import names
from app.contract.errors import InputUnavailable, InvalidImage
from app.contract.generation import Control, Generation, Mask, Picture
from app.contract.storage import Storage
from tests.app.contract.asked import generation
from tests.picture_files import SIZE, encoded, scene
from worker import inputs
from worker.decoding import Decoder

JOB = "alice_job"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path.as_uri())


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder()


def stored(storage: Storage, content: bytes, size: tuple[int, int] = SIZE) -> Picture:
    digest = sha256(content).hexdigest()
    storage.put(names.input_key(JOB, digest), content, "image/png")
    return Picture(sha256=digest, content_type="image/png", width=size[0], height=size[1], bytes=len(content))


def asked(**pictures: object) -> Generation:
    return generation(width=64, height=64, **pictures)


def test_every_picture_of_a_job_is_read(storage: Storage, decoder: Decoder) -> None:
    first, second = stored(storage, encoded(scene())), stored(storage, encoded(scene().rotate(180)))
    white = stored(storage, encoded(Image.new("L", SIZE, 255)))
    mask, control = Mask(**white.model_dump()), Control(name="edges", image=second, scale=1.0)

    read = inputs.read(asked(image=[first, second], mask=mask, control=control), JOB, storage, decoder)

    assert [image.tobytes() for image in read.image] == [scene().tobytes(), scene().rotate(180).tobytes()]
    assert read.mask
    assert (read.mask.mode, read.mask.size, read.mask.getextrema()) == ("L", SIZE, (255, 255))
    assert read.control
    assert ImageStat.Stat(ImageChops.difference(read.control, read.image[1])).sum == [0, 0, 0]


def test_a_job_without_pictures_starts_no_decoder(storage: Storage) -> None:
    assert inputs.read(asked(), JOB, storage, Decoder(processes=0)) == inputs.Inputs()


def test_where_an_alpha_mask_is_transparent_is_drawn_anew(storage: Storage, decoder: Decoder) -> None:
    half = scene().convert("RGBA")
    half.paste((0, 0, 0, 0), (0, 0, 32, 48))
    picture = stored(storage, encoded(half))

    mask = inputs.read(asked(mask=Mask(**picture.model_dump(), is_alpha=True)), JOB, storage, decoder).mask

    assert mask
    assert (mask.getpixel((0, 0)), mask.getpixel((40, 0))) == (255, 0)


def test_what_cannot_be_decoded_fails_by_its_field(storage: Storage, decoder: Decoder) -> None:
    good, bad = stored(storage, encoded(scene())), stored(storage, b"\x89PNG\r\n\x1a\nand no more")

    for changes, field in (
        ({"image": [bad]}, "image"),
        ({"image": [good, bad]}, "image.1"),
        ({"mask": Mask(**bad.model_dump())}, "mask"),
        ({"control": Control(name="edges", image=bad, scale=1.0)}, "control.image"),
    ):
        with pytest.raises(InvalidImage, match=f"^{field}: ") as failed:
            inputs.read(asked(**changes), JOB, storage, decoder)
        assert failed.value.code == "invalid_image"


def test_a_picture_that_is_gone_fails_by_its_field(storage: Storage, decoder: Decoder) -> None:
    gone = stored(storage, encoded(scene())).model_copy(update={"sha256": "0" * 64})

    with pytest.raises(InputUnavailable, match=r"^image: "):
        inputs.read(asked(image=[gone]), JOB, storage, decoder)
