"""What schemathesis cannot draw from a schema: pictures."""

import base64
from io import BytesIO

import schemathesis
from hypothesis import strategies
from PIL import Image


def _picture(side: int, shade: int, kind: str) -> str:
    file = BytesIO()
    Image.new("RGB", (side, side), (shade, 255 - shade, 128)).save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


PICTURES = strategies.builds(
    _picture, strategies.sampled_from([64, 72]), strategies.integers(0, 255), strategies.sampled_from(["PNG", "JPEG"])
)
schemathesis.openapi.format("picture", PICTURES)
