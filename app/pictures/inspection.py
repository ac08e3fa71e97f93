import hashlib
import re
from dataclasses import dataclass

from app.pictures import jpeg, png, webp
from app.pictures.anatomy import Format, Header, PictureRefused
from app.pictures.upload import Upload

FORMATS: dict[str, tuple[re.Pattern[bytes], Format]] = {
    "image/png": (re.compile(re.escape(png.SIGNATURE)), png),
    "image/jpeg": (re.compile(re.escape(jpeg.SIGNATURE)), jpeg),
    "image/webp": (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), webp),
}
SAYS_NOTHING = ("", "application/octet-stream")
ALSO_CALLED = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}


@dataclass(frozen=True)
class PictureLimits:
    max_bytes: int
    max_pixels: int
    max_side: int


@dataclass(frozen=True)
class Inspected:
    """A picture that may be decoded: the file without what followed it, and its size as it is seen."""

    content: bytes
    sha256: str
    content_type: str
    width: int
    height: int
    has_alpha: bool


def inspect(upload: Upload, limits: PictureLimits) -> Inspected:
    """Judges the number of bytes, then the header, then the whole file; each may be dear only once the former is right.

    Raises PictureRefused.
    """
    content = upload.content
    if len(content) > limits.max_bytes:
        raise TooManyBytes(limits)
    content_type = _type_of(upload)
    _, picture_format = FORMATS[content_type]
    header = picture_format.read_header(content)
    _hold_to(limits, header, content_type)
    anatomy = picture_format.examine(content)
    width, height = header.width, header.height
    if anatomy.is_turned:
        width, height = height, width
    kept = content[: anatomy.end]
    return Inspected(kept, hashlib.sha256(kept).hexdigest(), content_type, width, height, anatomy.has_alpha)


class TooManyBytes(PictureRefused):
    """Raised when a file is larger than a picture may be."""

    def __init__(self, limits: PictureLimits) -> None:
        super().__init__(f"The picture has more than {limits.max_bytes} bytes.")


def _type_of(upload: Upload) -> str:
    found = next((name for name, (magic, _) in FORMATS.items() if magic.match(upload.content)), None)
    if found is None:
        raise PictureRefused("This is no PNG, JPEG or WEBP.")
    called = (upload.content_type or "").partition(";")[0].strip().lower()
    if called not in SAYS_NOTHING and ALSO_CALLED.get(called, called) != found:
        raise PictureRefused(f"The picture is {found}, and is sent as something else.")
    return found


def _hold_to(limits: PictureLimits, header: Header, content_type: str) -> None:
    width, height, max_pixels = header.width, header.height, limits.max_pixels // header.weight
    if not (width and height):
        raise PictureRefused(f"The picture is {width}x{height} and so has no pixel.")
    if max(width, height) > limits.max_side or width * height > max_pixels:
        raise PictureRefused(
            f"The picture is {width}x{height}; such an {content_type} may have {max_pixels} pixels in all "
            f"and {limits.max_side} a side."
        )
