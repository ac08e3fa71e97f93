import pytest

from app.pictures import webp
from app.pictures.anatomy import PictureRefused
from tests.picture_files import encoded, riff, scene

LOSSY, LOSSLESS = encoded(scene(), "WEBP"), encoded(scene(), "WEBP", lossless=True)


def refusal(content: bytes) -> str:
    with pytest.raises(PictureRefused) as refused:
        [look(content) for look in (webp.read_header, webp.examine)]
    return str(refused.value)


@pytest.mark.parametrize("content", [LOSSY, LOSSLESS])
def test_a_header_of_either_kind_is_read(content: bytes) -> None:
    header = webp.read_header(content)

    assert (header.width, header.height) == scene().size
    assert webp.examine(content).end == len(content)


def test_every_refusal_says_what_is_wrong() -> None:
    frames = encoded(scene(), "WEBP", save_all=True, append_images=[scene().rotate(90)])

    assert "cut off" in refusal(LOSSY[:-1])
    assert "cut off" in refusal(LOSSY[:20])
    assert "animated" in refusal(frames)
    assert "larger than its file" in refusal(riff(LOSSY[12:-2]))
    assert "one picture" in refusal(riff(LOSSY[12:] + LOSSLESS[12:]))
    assert "two sizes" in refusal(riff(b"VP8X\x0a\0\0\0" + bytes(10) + LOSSY[12:]))
