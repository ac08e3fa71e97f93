"""A picture in a JSON text: base64, or a data URL around it."""

import binascii
import re

from app.pictures.anatomy import PictureRefused
from app.pictures.inspection import PictureLimits, TooManyBytes
from app.pictures.upload import Upload

ADDRESS = re.compile(r"https?://", re.IGNORECASE)
DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w-]+=[\w.-]+)*;base64,", re.IGNORECASE | re.ASCII)
HEAD_CHARS = 256


def is_address(text: str) -> bool:
    return bool(ADDRESS.match(text))


def decode(text: str, limits: PictureLimits) -> Upload:
    """Decodes no text that must hold more bytes than a picture may have; raises PictureRefused."""
    head = DATA_URL.match(text[:HEAD_CHARS])
    if not head and text[:5].lower() == "data:":
        raise PictureRefused("The data URL does not begin as `data:image/png;base64,` does.")
    start = head.end() if head else 0
    if (len(text) - start) // 4 * 3 > limits.max_bytes + 2:
        raise TooManyBytes(limits)
    try:
        content = binascii.a2b_base64(text[start:], strict_mode=True)
    except ValueError:
        raise PictureRefused("This is neither base64 nor a data URL.") from None
    return Upload(content, head[1] if head else None)
