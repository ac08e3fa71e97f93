"""What schemathesis cannot draw from a schema: pictures, and ids of one's own."""

import base64
import re
from collections.abc import Sequence
from io import BytesIO
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import strategies
from PIL import Image
from schemathesis.transport.serialization import Binary

KEY, ID = re.compile(r"[!-~]{1,255}"), re.compile(r"[A-Za-z0-9_-]{1,64}")


def _picture(shade: int, kind: str) -> bytes:
    file = BytesIO()
    Image.new("RGB" if kind == "JPEG" else "RGBA", (64, 64), (shade, 255 - shade, 128)).save(file, kind)
    return file.getvalue()


def _drawn(kinds: Sequence[str]) -> strategies.SearchStrategy[bytes]:
    return strategies.builds(_picture, strategies.integers(0, 255), strategies.sampled_from(kinds))


KINDS = ("PNG", "JPEG", "WEBP")
schemathesis.openapi.format("picture", _drawn(KINDS).map(lambda content: base64.b64encode(content).decode()))
schemathesis.openapi.format("binary", _drawn(("PNG", "WEBP")).map(Binary))  # a mask of OpenAI's has transparent parts
for kind in KINDS:
    schemathesis.openapi.media_type(f"image/{kind.lower()}", _drawn([kind]))


@schemathesis.hook
def before_call(_context: Any, case: Any, _options: dict[str, Any]) -> None:
    """Has no two requests meet in one id: another body under it is refused, whatever the schema says of each alone."""
    if "idempotency-key" in (headers := case.headers or {}) and KEY.fullmatch(headers["idempotency-key"]):
        headers["idempotency-key"] = uuid4().hex
    if case.method == "PUT" and ID.fullmatch(str((case.path_parameters or {}).get("job_id"))):
        case.path_parameters["job_id"] = uuid4().hex
