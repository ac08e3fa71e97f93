"""Decodes the pictures that come in on stdin; it is run as a file, with nothing but Pillow.

A request is a line of JSON and the file's bytes; the answer is a line of JSON and the pixels' bytes.
"""

import json
import resource
import sys
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageChops, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP")
BYTES_PER_PIXEL = 16  # Pillow's own picture takes four, and its WEBP decoder holds three more of them
SPARE_BYTES = 64 << 20
CPU_S = 5
GAP = 2  # what is larger than twice the wanted size is reduced, which its later resizing does not see
TURNED = range(5, 9)  # orientations that swap width and height
BAND_ROWS = 256  # of the old picture


def main() -> None:
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.init()  # every plugin is loaded before memory is bounded
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while line := requests.readline():
        request = json.loads(line)
        content = requests.read(request["bytes"])
        _bound(request["pixels"])
        try:
            picture = decode(content, request)
            answer, pixels = {"mode": picture.mode, "size": picture.size}, picture.tobytes()
        except Exception as error:  # a broken file makes Pillow raise whatever it stumbles on
            answer, pixels = {"error": type(error).__name__}, b""
        answers.write(json.dumps({**answer, "bytes": len(pixels)}).encode() + b"\n" + pixels)
        answers.flush()


def _bound(pixels: int) -> None:
    """Bounds the memory by what the picture may need, and the CPU's time from now on."""
    Image.MAX_IMAGE_PIXELS = pixels
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    bounds = {
        resource.RLIMIT_AS: in_use + SPARE_BYTES + BYTES_PER_PIXEL * pixels,
        resource.RLIMIT_CPU: int(usage.ru_utime + usage.ru_stime) + CPU_S,
    }
    for limit, most in bounds.items():
        resource.setrlimit(limit, (most, resource.getrlimit(limit)[1]))


def decode(content: bytes, request: dict[str, Any]) -> Image.Image:
    """The picture upright and not much larger than it is wanted: RGB, or L if it is a mask."""
    picture: Image.Image = Image.open(BytesIO(content), formats=FORMATS)
    if picture.width * picture.height != request["pixels"]:
        raise ValueError("Its header tells another size than it did.")
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    across, down = (GAP * side for side in request["wanted"])
    reduced = _reduced(picture, (down, across) if orientation in TURNED else (across, down), request["role"])
    reduced.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(reduced)


def _reduced(picture: Image.Image, least: tuple[int, int], role: str) -> Image.Image:
    """Shrinks by a whole number, band by band, so that no second picture of the old size is ever held."""
    picture.draft(None, least)  # a JPEG can be decoded smaller than it is
    picture.load()
    factor = max(1, min(picture.width // least[0], picture.height // least[1]))
    reduced = Image.new("RGB" if role == "image" else "L", (-(-picture.width // factor), -(-picture.height // factor)))
    rows = max(1, BAND_ROWS // factor) * factor
    for top in range(0, picture.height, rows):
        band = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        reduced.paste(_flat(_plain(band).reduce(factor), role), (0, top // factor))
    return reduced


def _plain(picture: Image.Image) -> Image.Image:
    """Eight bits a channel, and no palette."""
    if picture.mode.startswith("I"):  # sixteen bits, which convert() would cut at 255
        picture.info.pop("transparency", None)
        return picture.point(lambda value: value * (1 / 256) + 0).convert("L")
    if picture.mode in {"1", "P"} or "transparency" in picture.info:
        return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    return picture


def _flat(picture: Image.Image, role: str) -> Image.Image:
    """No transparency: behind an image lies white, behind a mask black."""
    if role == "alpha_mask":
        return ImageChops.invert(picture.convert("RGBA").getchannel("A"))
    if picture.has_transparency_data:
        ground = Image.new("RGBA", picture.size, "white" if role == "image" else "black")
        picture = Image.alpha_composite(ground, picture.convert("RGBA"))
    return picture.convert("RGB" if role == "image" else "L")


if __name__ == "__main__":
    main()
