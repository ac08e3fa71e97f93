import os
import signal
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from PIL import Image, ImageChops, ImageStat

from app.contract.generation import Picture
from tests import decoders, picture_files
from tests.picture_files import SIZE, encoded, scene, turned
from worker.decoding import Decoder, Undecodable
from worker.decoding.decoder import Role

COLOURED, GREY = picture_files.valid(), picture_files.valid_grey()
TOLERANCE = 3.0  # of 255, on average; lossy files


OTHERS: set[psutil.Process] = set()  # that tests before these have left


@pytest.fixture(scope="module", autouse=True)
def decoder() -> Decoder:
    OTHERS.update(decoders.programs())
    return Decoder(processes=1)


def decode(
    decoder: Decoder,
    content: bytes,
    size: tuple[int, int] = SIZE,
    wanted: tuple[int, int] = SIZE,
    role: Role = "image",
) -> Image.Image:
    picture = Picture(sha256="", content_type="", width=size[0], height=size[1], bytes=len(content))
    return decoder.decode(content, picture, wanted, role)


def programs() -> set[psutil.Process]:
    return decoders.programs() - OTHERS


def assert_alike(picture: Image.Image, expected: Image.Image) -> None:
    assert (picture.mode, picture.size) == (expected.mode, expected.size)
    assert max(ImageStat.Stat(ImageChops.difference(picture, expected)).mean) < TOLERANCE


@pytest.mark.parametrize("name", [*COLOURED, *GREY])
def test_every_kind_of_file_gives_the_very_picture(decoder: Decoder, name: str) -> None:
    picture = decode(decoder, (COLOURED | GREY)[name])

    assert_alike(picture, scene() if name in COLOURED else scene().convert("L").convert("RGB"))


@pytest.mark.parametrize(
    ("orientation", "camera"),
    [
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_a_picture_is_upright_however_the_camera_was_held(
    decoder: Decoder, orientation: int, camera: Image.Transpose
) -> None:
    content = encoded(scene().transpose(camera), exif=turned(orientation))

    assert decode(decoder, content).tobytes() == scene().tobytes()


def test_behind_a_transparent_picture_lies_white_and_behind_a_mask_black(decoder: Decoder) -> None:
    content = encoded(Image.new("RGBA", SIZE, (200, 0, 0, 0)))

    assert decode(decoder, content).getpixel((0, 0)) == (255, 255, 255)
    assert decode(decoder, content, role="mask").getpixel((0, 0)) == 0
    assert decode(decoder, content, role="alpha_mask").getpixel((0, 0)) == 255


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "I;16", "CMYK"])
def test_what_is_much_larger_than_it_is_wanted_is_reduced(decoder: Decoder, mode: str) -> None:
    size = (1_600, 1_200)
    grey = Image.linear_gradient("L").resize(size)
    whole = grey.convert(mode) if mode != "I;16" else Image.merge("RGB", [grey] * 3).convert("L")
    content = encoded(whole, "JPEG" if mode == "CMYK" else "PNG")

    picture = decode(decoder, content, size, wanted=(100, 75))

    assert picture.width in range(200, 400)
    assert picture.height * 4 == picture.width * 3
    assert_alike(picture, grey.convert("RGB").reduce(size[0] // picture.width))


def test_a_decoder_starts_once_and_stays(decoder: Decoder) -> None:
    decode(decoder, COLOURED["png"])
    [first] = programs()

    with pytest.raises(Undecodable, match="OSError"):
        decode(decoder, COLOURED["png"][:-40])
    decode(decoder, COLOURED["png"])

    assert [each.pid for each in programs()] == [first.pid]


def test_a_decoder_knows_nothing_of_ours(decoder: Decoder) -> None:
    decode(decoder, COLOURED["png"])
    [program] = programs()

    assert program.environ() == {}
    assert program.num_fds() == 3


def test_a_decoder_that_dies_is_replaced(decoder: Decoder) -> None:
    decode(decoder, COLOURED["png"])
    [first] = programs()
    os.kill(first.pid, signal.SIGKILL)
    first.wait(10)

    assert decode(decoder, COLOURED["png"]).size == SIZE
    assert [each.pid for each in programs()] != [first.pid]


def test_a_decoder_that_hangs_is_killed_and_replaced() -> None:
    decoder = Decoder(processes=1, limit_s=1.0)
    decode(decoder, COLOURED["png"])
    hanging = max(programs(), key=lambda each: each.create_time())
    hanging.suspend()

    with pytest.raises(Undecodable, match="took too long"):
        decode(decoder, COLOURED["png"])

    assert not hanging.is_running()
    assert decode(decoder, COLOURED["png"]).size == SIZE


def test_a_decoder_has_no_more_memory_and_time_than_its_picture_needs(decoder: Decoder) -> None:
    decode(decoder, COLOURED["png"])

    [program] = programs()

    assert program.rlimit(psutil.RLIMIT_AS)[0] < 200 << 20
    assert program.rlimit(psutil.RLIMIT_CPU)[0] < 60


def test_a_file_that_is_larger_than_its_header_told_is_not_decoded(decoder: Decoder) -> None:
    large = encoded(Image.new("RGB", (6_000, 6_000)))

    with pytest.raises(Undecodable):
        decode(decoder, large, size=(60, 60))


def test_several_threads_share_a_few_decoders(decoder: Decoder) -> None:
    files = [encoded(scene().rotate(angle)) for angle in range(12)]

    with ThreadPoolExecutor(4) as threads:
        pictures = list(threads.map(lambda content: decode(decoder, content), files))

    assert [picture.tobytes() for picture in pictures] == [scene().rotate(angle).tobytes() for angle in range(12)]


def test_a_decoder_that_nobody_holds_ends() -> None:
    before = programs()
    decoder = Decoder(processes=1)
    decode(decoder, COLOURED["png"])
    [program] = programs() - before

    del decoder

    psutil.wait_procs([program], timeout=10)
    assert not program.is_running()
