"""What schemathesis cannot draw from a schema: pictures, and ids of one's own."""

import base64
import re
from io import BytesIO
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import strategies
from PIL import Image

KEY, ID = re.compile(r"[!-~]{1,255}"), re.compile(r"[A-Za-z0-9_-]{1,64}")


def _picture(shade: int, kind: str) -> str:
    file = BytesIO()
    Image.new("RGB", (64, 64), (shade, 255 - shade, 128)).save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


def _file(shade: int, kind: str) -> bytes:
    file = BytesIO()
    Image.new("RGB" if kind == "JPEG" else "RGBA", (64, 64), (shade, 255 - shade, 128)).save(file, kind)
    return file.getvalue()


PICTURES = strategies.builds(_picture, strategies.integers(0, 255), strategies.sampled_from(["PNG", "JPEG"]))
schemathesis.openapi.format("picture", PICTURES)
for kind in ("PNG", "JPEG", "WEBP"):
    files = strategies.builds(_file, strategies.integers(0, 255), strategies.just(kind))
    schemathesis.openapi.media_type(f"image/{kind.lower()}", files)


@schemathesis.hook
def before_call(_context: Any, case: Any, _options: dict[str, Any]) -> None:
    """Has no two requests meet in one id: another body under it is refused, whatever the schema says of each alone."""
    if "idempotency-key" in (headers := case.headers or {}) and KEY.fullmatch(headers["idempotency-key"]):
        headers["idempotency-key"] = uuid4().hex
    if case.method == "PUT" and ID.fullmatch(str((case.path_parameters or {}).get("job_id"))):
        case.path_parameters["job_id"] = uuid4().hex
