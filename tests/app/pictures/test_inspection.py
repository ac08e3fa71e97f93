import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.pictures.anatomy import PictureRefused
from app.pictures.inspection import PictureLimits, inspect
from app.pictures.upload import Upload
from tests import picture_files
from tests.picture_files import SIZE, encoded, scene

FILES = {**picture_files.valid(), **picture_files.valid_grey()}
WITH_ALPHA = {name for name in FILES if "alpha" in name}
LIMITS = PictureLimits(max_bytes=1_000_000, max_pixels=25_000_000, max_side=8_192)
MUTATIONS = st.one_of(
    st.tuples(st.just("flip"), st.integers(0, 10_000), st.integers(1, 255)),
    st.tuples(st.just("cut"), st.integers(0, 10_000), st.just(0)),
    st.tuples(st.just("insert"), st.integers(0, 10_000), st.integers(0, 255)),
    st.tuples(st.just("remove"), st.integers(0, 10_000), st.integers(1, 16)),
    st.tuples(st.just("repeat"), st.integers(0, 10_000), st.integers(1, 64)),
    st.tuples(st.just("number"), st.integers(0, 64), st.integers(0, 64)),
    st.tuples(st.just("little number"), st.integers(0, 64), st.integers(0, 64)),
)


@pytest.mark.parametrize("name", FILES)
def test_a_picture_is_taken_whole_with_its_size_as_it_is_seen(name: str, limits: PictureLimits) -> None:
    inspected = inspect(Upload(FILES[name]), limits)

    assert (inspected.width, inspected.height) == SIZE
    assert inspected.content == FILES[name]
    assert inspected.has_alpha == (name in WITH_ALPHA)


@pytest.mark.parametrize("orientation", range(1, 10))
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_lies_on_its_side_is_as_wide_as_it_is_high(
    file_format: str, orientation: int, limits: PictureLimits
) -> None:
    content = encoded(scene(), file_format, exif=picture_files.turned(orientation))

    inspected = inspect(Upload(content), limits)

    assert (inspected.width, inspected.height) == (SIZE[::-1] if orientation in range(5, 9) else SIZE)


def test_what_follows_a_picture_is_not_kept(limits: PictureLimits) -> None:
    for content in FILES.values():
        assert inspect(Upload(content + b"PK\x03\x04"), limits).content == content


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        (PictureLimits(max_bytes=50, max_pixels=10_000, max_side=100), "more than 50 bytes"),
        (PictureLimits(max_bytes=10_000, max_pixels=64 * 48 - 1, max_side=100), "64x48; .* 3071 pixels"),
        (PictureLimits(max_bytes=10_000, max_pixels=10_000, max_side=63), "64x48; .* 63 a side"),
    ],
)
def test_a_picture_beyond_a_limit_is_refused_with_it(held: PictureLimits, sentence: str) -> None:
    with pytest.raises(PictureRefused, match=sentence):
        inspect(Upload(FILES["png"]), held)


@pytest.mark.parametrize(("name", "weight"), [("png", 1), ("jpeg", 1), ("jpeg, progressive", 2), ("webp", 3)])
def test_a_file_whose_decoder_takes_more_memory_may_have_fewer_pixels(name: str, weight: int) -> None:
    least = 64 * 48 * weight

    assert inspect(Upload(FILES[name]), PictureLimits(10_000, least, 64)).width == 64
    with pytest.raises(PictureRefused):
        inspect(Upload(FILES[name]), PictureLimits(10_000, least - 1, 64))


@pytest.mark.parametrize("called", [None, "", "image/jpeg", "IMAGE/JPEG; q=1", "image/jpg", "application/octet-stream"])
def test_a_picture_may_be_called_what_it_is_or_nothing(called: str | None, limits: PictureLimits) -> None:
    assert inspect(Upload(FILES["jpeg"], called), limits).content_type == "image/jpeg"


@settings(max_examples=500, deadline=None)
@given(name=st.sampled_from(sorted(FILES)), mutations=st.lists(MUTATIONS, min_size=1, max_size=6))
def test_whatever_is_sent_is_taken_or_refused_and_nothing_else(
    name: str, mutations: list[tuple[str, int, int]]
) -> None:
    content = mutated(FILES[name], mutations)

    try:
        inspected = inspect(Upload(content), LIMITS)
    except PictureRefused:
        pass
    else:
        assert content.startswith(inspected.content)
        assert 0 < inspected.width * inspected.height <= LIMITS.max_pixels


def mutated(content: bytes, mutations: list[tuple[str, int, int]]) -> bytes:
    for kind, place, value in mutations:
        at = place % (len(content) + 1)
        match kind:
            case "flip" if at < len(content):
                content = content[:at] + bytes((content[at] ^ value,)) + content[at + 1 :]
            case "cut":
                content = content[:at]
            case "insert":
                content = content[:at] + bytes((value,)) + content[at:]
            case "remove":
                content = content[:at] + content[at + value :]
            case "number" | "little number":
                number = value.to_bytes(4, "little" if kind.startswith("little") else "big")
                content = content[:at] + number + content[at + 4 :]
            case "repeat":
                content = content[: at + value] + content[at:]
    return content
