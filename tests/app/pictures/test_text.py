from base64 import b64encode, urlsafe_b64encode

import pytest

from app.pictures import text
from app.pictures.anatomy import PictureRefused
from app.pictures.inspection import PictureLimits
from tests.picture_files import encoded, scene

PNG = encoded(scene())
PLAIN = b64encode(PNG).decode()


@pytest.mark.parametrize(
    ("head", "called"),
    [
        ("", None),
        ("data:image/png;base64,", "image/png"),
        ("DATA:image/PNG;BASE64,", "image/PNG"),
        ("data:;base64,", None),
        ("data:image/png;charset=utf-8;base64,", "image/png"),
    ],
)
def test_base64_is_decoded_with_and_without_a_data_url(head: str, called: str | None, limits: PictureLimits) -> None:
    upload = text.decode(head + PLAIN, limits)

    assert (upload.content, upload.content_type) == (PNG, called)


@pytest.mark.parametrize(
    "wrong",
    [
        PLAIN + "\n",
        " " + PLAIN,
        PLAIN[:-1],
        PLAIN[:40] + "=" + PLAIN[40:],
        urlsafe_b64encode(b"\xff\xef\xff").decode(),
        "a cat",
        "ä" * 8,
        "/etc/passwd.",
        "file:///etc/passwd",
        "data:image/png," + PLAIN,
        "data:image/png;base64" + PLAIN,
        "data:",
        "data:" + "a" * 100_000,
        "data:" + ";a=b" * 50_000,
    ],
)
def test_what_is_no_base64_is_refused(wrong: str, limits: PictureLimits) -> None:
    with pytest.raises(PictureRefused, match="base64"):
        text.decode(wrong, limits)


def test_a_text_that_is_too_long_is_not_decoded(limits: PictureLimits) -> None:
    most = limits.max_bytes

    assert len(text.decode(b64encode(bytes(most)).decode(), limits).content) == most
    with pytest.raises(PictureRefused, match=f"more than {most} bytes"):
        text.decode("!" * (most // 3 * 4 + 8), limits)


def test_an_address_is_known_by_its_scheme() -> None:
    assert [text.is_address(each) for each in ("http://a", "HTTPS://a", "ftp://a", PLAIN)] == [True, True, False, False]
