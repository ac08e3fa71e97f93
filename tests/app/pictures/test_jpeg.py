import pytest

from app.pictures import jpeg
from app.pictures.anatomy import PictureRefused
from tests.picture_files import encoded, scene, turned

WHOLE = encoded(scene(), "JPEG")


def refusal(content: bytes) -> str:
    with pytest.raises(PictureRefused) as refused:
        [look(content) for look in (jpeg.read_header, jpeg.examine)]
    return str(refused.value)


def test_a_picture_in_a_picture_is_not_its_end() -> None:
    thumbnail = encoded(scene((16, 16)), "JPEG")
    exif = turned(6) + thumbnail
    whole = encoded(scene(), "JPEG", exif=exif)

    anatomy = jpeg.examine(whole)

    assert (anatomy.end, anatomy.is_turned) == (len(whole), True)


def test_a_second_picture_behind_the_first_is_left_out() -> None:
    assert jpeg.examine(WHOLE + WHOLE).end == len(WHOLE)


def test_fill_bytes_before_a_marker_are_skipped() -> None:
    assert jpeg.examine(WHOLE[:2] + b"\xff\xff" + WHOLE[2:]).end == len(WHOLE) + 2


def test_every_refusal_says_what_is_wrong() -> None:
    frame = WHOLE.index(b"\xff\xc0")

    assert "cut off" in refusal(WHOLE[:-2])
    assert "no frame" in refusal(WHOLE[:frame] + b"\xff\xd9")
    assert "marker" in refusal(WHOLE[:frame] + b"\0\0" + WHOLE[frame:])
    assert "kind of JPEG" in refusal(WHOLE[: frame + 1] + b"\xc3" + WHOLE[frame + 2 :])
    assert "fewer pixels" in refusal(WHOLE[: frame + 5] + b"\x20\0\x20\0" + WHOLE[frame + 9 :])
