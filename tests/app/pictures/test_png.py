import zlib

import pytest

from app.pictures import png
from app.pictures.anatomy import PictureRefused
from tests import picture_files
from tests.picture_files import chunk, rows, scene


def refusal(content: bytes) -> str:
    with pytest.raises(PictureRefused) as refused:
        png.examine(content)
    return str(refused.value)


def test_pixels_that_come_in_many_pieces_are_counted_together() -> None:
    whole = picture_files.png(rows(scene()))
    pixels = zlib.compress(rows(scene()))
    pieces = b"".join(chunk(b"IDAT", pixels[at : at + 7]) for at in range(0, len(pixels), 7))

    assert png.examine(whole[:33] + pieces + whole[-12:]).end == 33 + len(pieces) + 12


def test_a_bomb_is_found_without_being_held() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    whole = picture_files.png(rows(scene()))

    assert "more pixels" in refusal(whole[:33] + chunk(b"IDAT", bomb) + whole[-12:])


def test_many_texts_may_be_as_long_as_one() -> None:
    half = chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(png.MAX_TEXT_BYTES // 2)))

    assert png.examine(picture_files.png(rows(scene()), ancillary=2 * half)).end
    assert "texts" in refusal(picture_files.png(rows(scene()), ancillary=3 * half))


def test_a_text_that_is_not_compressed_is_no_bomb() -> None:
    plain = chunk(b"iTXt", b"key\0\0\0\0\0" + b"a" * 99)

    assert png.examine(picture_files.png(rows(scene()), ancillary=plain)).end


def test_every_refusal_says_what_is_wrong() -> None:
    whole = picture_files.png(rows(scene()))

    assert "cut off" in refusal(whole[:-1])
    assert "checksum" in refusal(whole[:-1] + b"\0")
    assert "fewer pixels" in refusal(picture_files.png(rows(scene())[:-1]))
    assert "inflated" in refusal(whole[:33] + chunk(b"IDAT", b"no zlib") + whole[-12:])
    assert "animated" in refusal(picture_files.png(rows(scene()), ancillary=chunk(b"acTL", bytes(8))))
