"""Real picture files, as encoders write them."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

SIZE = (64, 48)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def scene(size: tuple[int, int] = SIZE) -> Image.Image:
    """Three gradients: every codec keeps it nearly as it is, and it has no symmetry."""
    across = Image.linear_gradient("L").rotate(90).resize(size)
    down = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (across, down, Image.new("L", size, 60)))


def encoded(picture: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def turned(orientation: int) -> bytes:
    """An EXIF block."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    rows: bytes,
    width: int = SIZE[0],
    height: int = SIZE[1],
    depth: int = 8,
    colour: int = 2,
    interlace: int = 0,
    ancillary: bytes = b"",
) -> bytes:
    """A PNG of these rows, each with its filter's byte before it; `ancillary` chunks stand before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    pixels = zlib.compress(rows)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + ancillary + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def riff(chunks: bytes) -> bytes:
    """A WEBP of these chunks."""
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def rows(picture: Image.Image, doubled: bool = False) -> bytes:
    """Unfiltered rows; doubled, with sixteen bits a channel."""
    stride = picture.width * len(picture.getbands())
    pixels = picture.tobytes()
    lines = [pixels[at : at + stride] for at in range(0, len(pixels), stride)]
    if doubled:
        lines = [bytes(value for value in line for _ in range(2)) for line in lines]
    return b"".join(b"\0" + line for line in lines)


def interlaced() -> bytes:
    """The scene in Adam7's seven passes."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    (width, height), pixels = SIZE, scene().tobytes()
    lines = b""
    for left, top, across, down in passes:
        for y in range(top, height, down):
            places = (3 * (y * width + x) for x in range(left, width, across))
            lines += b"\0" + b"".join(pixels[at : at + 3] for at in places)
    return png(lines, interlace=1)


def valid() -> dict[str, bytes]:
    """The scene in every kind of file that is taken."""
    picture = scene()
    see_through = picture.copy()
    see_through.putalpha(254)  # 255 would be left out by some encoders
    files = {
        "png": encoded(picture),
        "png with alpha": encoded(see_through),
        "png with 16 bits": png(rows(picture, doubled=True), depth=16),
        "png with 16 bits and alpha": png(rows(see_through, doubled=True), depth=16, colour=6),
        "png, interlaced": interlaced(),
        "png with text": png(rows(picture), ancillary=chunk(b"zTXt", b"key\0\0" + zlib.compress(b"a text"))),
        "jpeg": encoded(picture, "JPEG", quality=95),
        "jpeg, progressive": encoded(picture, "JPEG", quality=95, progressive=True),
        "jpeg with all colours": encoded(picture, "JPEG", quality=95, subsampling=0),
        "jpeg with restarts": encoded(picture, "JPEG", quality=95, restart_marker_blocks=2),
        "jpeg of CMYK": encoded(picture.convert("CMYK"), "JPEG", quality=95),
        "webp": encoded(picture, "WEBP", quality=95),
        "webp, lossless": encoded(picture, "WEBP", lossless=True),
        "webp with alpha": encoded(see_through, "WEBP", quality=95),
        "webp with EXIF": encoded(picture, "WEBP", quality=95, exif=turned(1)),
    }
    for file_format in ("PNG", "JPEG", "WEBP"):
        lying = picture.transpose(Image.Transpose.ROTATE_90)
        options = {} if file_format == "PNG" else {"quality": 95}
        files[f"{file_format.lower()} that lies"] = encoded(lying, file_format, exif=turned(6), **options)
    return files


def valid_grey() -> dict[str, bytes]:
    """The scene's shades."""
    grey = scene().convert("L")
    return {
        "grey png": encoded(grey),
        "grey png with alpha": encoded(grey.convert("LA")),
        "grey png with 16 bits": png(rows(grey, doubled=True), depth=16, colour=0),
        "grey jpeg": encoded(grey, "JPEG", quality=95),
        "png with a palette": encoded(grey.convert("P")),
    }
