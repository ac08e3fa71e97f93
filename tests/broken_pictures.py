"""Two hundred pictures that somebody might send, and what has to come of each."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from PIL import Image

from tests import picture_files
from tests.picture_files import PNG_SIGNATURE, SIZE, chunk, encoded, png, riff, rows, scene

CUTS = 12
FLIPS = 14
FOREIGN = {
    "nothing": b"",
    "one byte": b"\x89",
    "a text": b"a cat wearing a space helmet",
    "JSON": b'{"prompt": "a cat"}',
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "PDF": b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj",
    "a zip": b"PK\x03\x04" + bytes(60),
    "a gzip": b"\x1f\x8b\x08" + bytes(60),
    "an ELF": b"\x7fELF" + bytes(60),
    "HEIC": b"\0\0\0\x18ftypheic" + bytes(60),
    "AVIF": b"\0\0\0\x18ftypavif" + bytes(60),
    "Photoshop": b"8BPS\0\1" + bytes(60),
    "FITS": b"SIMPLE  =                    T".ljust(80),
    "a WAV": b"RIFF\x24\0\0\0WAVEfmt " + bytes(30),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "zeros": bytes(1000),
}


class Fate(Enum):
    REFUSED = "refused at once, with the field's name"
    RIGHT = "the very picture"
    EITHER = "refused at once, or decoded, or refused by the decoder"


@dataclass(frozen=True)
class Sent:
    content: bytes
    fate: Fate
    content_type: str = ""


def two_hundred() -> dict[str, Sent]:
    parts = (truncated, flipped, foreign, mislabelled, mismeasured, bombs, misbuilt, animated, sound)
    return {name: sent for part in parts for name, sent in part()}


def _samples() -> dict[str, bytes]:
    """With noise in it, so that no part of the file is idle."""
    picture = Image.blend(scene(), Image.effect_noise(SIZE, 80).convert("RGB"), 0.5)
    return {
        "PNG": encoded(picture),
        "JPEG": encoded(picture, "JPEG"),
        "progressive JPEG": encoded(picture, "JPEG", progressive=True),
        "WEBP": encoded(picture, "WEBP"),
        "lossless WEBP": encoded(picture, "WEBP", lossless=True),
    }


def truncated() -> Iterator[tuple[str, Sent]]:
    for name, whole in _samples().items():
        for n in range(CUTS):
            at = 1 + (len(whole) - 2) * n // (CUTS - 1)
            yield f"{name} cut at {at}", Sent(whole[:at], Fate.REFUSED)


def flipped() -> Iterator[tuple[str, Sent]]:
    for name, whole in _samples().items():
        for n in range(FLIPS):
            at = len(whole) * n // FLIPS
            content = bytearray(whole)
            content[at] ^= 0xFF
            fate = Fate.REFUSED if name == "PNG" else Fate.EITHER
            yield f"{name} with byte {at} flipped", Sent(bytes(content), fate)


def foreign() -> Iterator[tuple[str, Sent]]:
    for file_format in ("GIF", "BMP", "TIFF", "ICO", "PPM", "TGA", "JPEG2000", "PCX", "DDS"):
        yield f"a {file_format}", Sent(encoded(scene(), file_format), Fate.REFUSED)
    for name, content in FOREIGN.items():
        yield name, Sent(content, Fate.REFUSED)
    yield "a GIF before a PNG", Sent(encoded(scene(), "GIF") + encoded(scene()), Fate.REFUSED)
    yield "a JPEG behind PNG's signature", Sent(PNG_SIGNATURE + encoded(scene(), "JPEG"), Fate.REFUSED)


def mislabelled() -> Iterator[tuple[str, Sent]]:
    for file_format in ("PNG", "JPEG", "WEBP"):
        content, own = encoded(scene(), file_format, lossless=True, quality=95), f"image/{file_format.lower()}"
        for called in ("image/png", "image/jpeg", "image/webp", "image/gif", "text/html"):
            if called != own:
                yield f"{file_format} called {called}", Sent(content, Fate.REFUSED, called)
        yield f"{file_format} called {own}", Sent(content, Fate.RIGHT, f"{own};q=1")


def mismeasured() -> Iterator[tuple[str, Sent]]:
    wide, high = SIZE
    for width, height in ((wide + 1, high), (wide, high + 1), (wide - 8, high), (wide, high - 8), (0, high), (wide, 0)):
        yield f"PNG called {width}x{height}", Sent(png(rows(scene()), width, height), Fate.REFUSED)
    jpeg = encoded(scene(), "JPEG")
    frame = jpeg.index(b"\xff\xc0") + 5
    for width, height in ((0, high), (wide, 0), (5_000, 5_000), (65_535, 65_535)):
        lying = jpeg[:frame] + struct.pack(">HH", height, width) + jpeg[frame + 4 :]
        yield f"JPEG called {width}x{height}", Sent(lying, Fate.REFUSED)
    lossy, lossless = encoded(scene(), "WEBP"), encoded(scene(), "WEBP", lossless=True)
    yield "lossy WEBP called 0x0", Sent(lossy[:26] + bytes(4) + lossy[30:], Fate.REFUSED)
    yield "lossy WEBP called 16383x16383", Sent(lossy[:26] + b"\xff\x3f\xff\x3f" + lossy[30:], Fate.REFUSED)
    yield "lossless WEBP called 16384x16384", Sent(lossless[:21] + b"\xff\xff\xff\x0f" + lossless[25:], Fate.REFUSED)
    extended = encoded(scene(), "WEBP", exif=picture_files.turned(1))
    yield "WEBP of two sizes", Sent(extended[:24] + b"\x64\0\0\x64\0\0" + extended[30:], Fate.REFUSED)
    for name, change in (("longer", 1_000), ("shorter", -20), ("without an end", 2**31)):
        length = struct.pack("<I", len(lossy) - 8 + change)
        yield f"WEBP called {name}", Sent(lossy[:4] + length + lossy[8:], Fate.REFUSED)


def bombs() -> Iterator[tuple[str, Sent]]:
    header = struct.pack(">IIBBBBB", *SIZE, 8, 2, 0, 0, 0)
    zeros = zlib.compress(bytes(30_000_000))
    for width, height in ((60_000, 60_000), (2**31 - 1, 1), (1, 2**31 - 1), (2**32 - 1, 2**32 - 1), (8_192, 8_192)):
        yield f"PNG of {width}x{height}", Sent(png(b"\0", width, height), Fate.REFUSED)
    inflating = PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zeros) + chunk(b"IEND", b"")
    yield "PNG whose pixels inflate to 30 MB", Sent(inflating, Fate.REFUSED)
    for kind, head in ((b"zTXt", b"key\0\0"), (b"iCCP", b"profile\0\0"), (b"iTXt", b"key\0\1\0\0\0")):
        bomb = png(rows(scene()), ancillary=chunk(kind, head + zeros))
        yield f"PNG whose {kind.decode()} inflates to 30 MB", Sent(bomb, Fate.REFUSED)
    yield "PNG of 4900x4900 with alpha", Sent(encoded(Image.new("RGBA", (4_900, 4_900)), compress_level=1), Fate.EITHER)
    yield "PNG of 4900x4900 in one bit", Sent(encoded(Image.new("1", (4_900, 4_900))), Fate.EITHER)
    yield (
        "PNG of 8000x3000 with 16 bits",
        Sent(encoded(Image.new("I;16", (8_000, 3_000)), compress_level=1), Fate.EITHER),
    )
    yield "JPEG of 4900x4900", Sent(encoded(Image.new("RGB", (4_900, 4_900)), "JPEG"), Fate.EITHER)
    large = Image.new("RGB", (3_500, 3_500))
    yield "progressive JPEG of 3500x3500", Sent(encoded(large, "JPEG", progressive=True, subsampling=0), Fate.EITHER)
    yield "WEBP of 2800x2800", Sent(encoded(large.crop((0, 0, 2_800, 2_800)), "WEBP", method=0), Fate.EITHER)
    yield "WEBP of 16383x200", Sent(encoded(Image.new("RGB", (16_383, 200)), "WEBP", method=0), Fate.REFUSED)
    progressive = encoded(scene(), "JPEG", progressive=True)
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    yield "JPEG of 5000 scans", Sent(progressive[:-2] + 5_000 * scan + b"\xff\xd9", Fate.REFUSED)
    yield "PNG of a million empty chunks", Sent(png(b"", ancillary=1_000_000 * b"\0\0\0\0"), Fate.REFUSED)
    jpeg, many = encoded(scene(), "JPEG"), 100_000 * chunk(b"tEXt", b"a\0b")
    yield "PNG of 100,000 texts", Sent(png(rows(scene()), ancillary=many), Fate.REFUSED)
    yield "JPEG of 100,000 comments", Sent(jpeg[:2] + 100_000 * b"\xff\xfe\0\2" + jpeg[2:], Fate.REFUSED)
    chunks = 100_000 * b"ABCD\0\0\0\0"
    yield "WEBP of 100,000 chunks", Sent(riff(encoded(scene(), "WEBP")[12:] + chunks), Fate.REFUSED)
    yield "PNG with ten million bytes too many", Sent(encoded(scene()) + bytes(10_000_000), Fate.REFUSED)


def misbuilt() -> Iterator[tuple[str, Sent]]:
    pixels, whole = rows(scene()), encoded(scene())
    for depth, colour in ((3, 0), (16, 3), (4, 2), (8, 1), (8, 5), (8, 7), (0, 0), (32, 6)):
        yield f"PNG of depth {depth} and colour {colour}", Sent(png(pixels, depth=depth, colour=colour), Fate.REFUSED)
    grey = rows(scene().convert("L"))
    yield "PNG of another interlace", Sent(png(pixels, interlace=2), Fate.REFUSED)
    yield "PNG called interlaced", Sent(png(pixels, interlace=1), Fate.REFUSED)
    yield "PNG of another filter", Sent(undecodable(), Fate.EITHER)
    yield "PNG without a palette", Sent(png(grey, colour=3), Fate.REFUSED)
    yield "PNG of two headers", Sent(png(pixels, ancillary=whole[8:33]), Fate.REFUSED)
    yield "PNG of two pictures", Sent(png(pixels, ancillary=whole[33:-12] + chunk(b"tEXt", b"a\0b")), Fate.REFUSED)
    yield "PNG without pixels", Sent(whole[:33] + whole[-12:], Fate.REFUSED)
    yield "PNG without a header", Sent(whole[:8] + whole[33:], Fate.REFUSED)
    yield "PNG of pixels that are no zlib", Sent(whole[:33] + chunk(b"IDAT", b"\0" * 99) + whole[-12:], Fate.REFUSED)
    yield "PNG of a wrong checksum", Sent(whole[:-1] + b"\0", Fate.REFUSED)
    yield "PNG of a broken EXIF", Sent(png(pixels, ancillary=chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")), Fate.RIGHT)
    jpeg = encoded(scene(), "JPEG", quality=95)
    frame, tables, scan = jpeg.index(b"\xff\xc0"), jpeg.index(b"\xff\xc4"), jpeg.index(b"\xff\xda")
    for marker in (0xC3, 0xC5, 0xC9, 0xCB, 0xCF):
        other = jpeg[:frame] + bytes((0xFF, marker)) + jpeg[frame + 2 :]
        yield f"JPEG of frame {marker:X}", Sent(other, Fate.REFUSED)
    for name, at, value in (
        ("of 12 bits", 4, 12),
        ("of no component", 9, 0),
        ("of two components", 9, 2),
        ("of 255 components", 9, 255),
        ("of no sampling", 11, 0),
        ("of a frame without length", 3, 0),
    ):
        other = jpeg[: frame + at] + bytes((value,)) + jpeg[frame + at + 1 :]
        yield f"JPEG {name}", Sent(other, Fate.REFUSED)
    yield "JPEG without a frame", Sent(jpeg[:frame] + jpeg[tables:], Fate.REFUSED)
    yield "JPEG of two frames", Sent(jpeg[:tables] + jpeg[frame:], Fate.REFUSED)
    yield "JPEG without tables", Sent(jpeg[:tables] + jpeg[scan:], Fate.EITHER)
    yield "JPEG without a scan", Sent(jpeg[:scan] + b"\xff\xd9", Fate.REFUSED)
    yield "JPEG of an empty scan", Sent(jpeg[: scan + 14] + b"\xff\xd9", Fate.REFUSED)
    yield "JPEG of fill bytes", Sent(jpeg[: scan + 14] + 3_000_000 * b"\xff" + b"\0", Fate.REFUSED)
    yield "JPEG of half a scan", Sent(jpeg[: (scan + len(jpeg)) // 2] + b"\xff\xd9", Fate.EITHER)
    webp = encoded(scene(), "WEBP")
    for name, body in (
        ("without a picture", b"EXIF\4\0\0\0abcd"),
        ("of an empty header", b"VP8X\0\0\0\0" + webp[12:]),
        ("of two pictures", webp[12:] * 2),
        ("that is no key frame", webp[12:20] + bytes((webp[20] | 1,)) + webp[21:]),
        ("of a wrong start", webp[12:23] + b"\0\0\0" + webp[26:]),
        ("of a chunk without an end", webp[12:16] + b"\xff\xff\xff\x7f" + webp[20:]),
    ):
        yield f"WEBP {name}", Sent(riff(body), Fate.REFUSED)
    yield "WEBP of nothing", Sent(riff(b"") + webp, Fate.REFUSED)


def undecodable() -> bytes:
    """A PNG with nothing wrong but its rows' filter, which there is none of: only a decoder sees it."""
    stride = 3 * SIZE[0]
    return png(b"".join(b"\7" + bytes(stride) for _ in range(SIZE[1])))


def animated() -> Iterator[tuple[str, Sent]]:
    frames = [scene().rotate(angle) for angle in (90, 180)]
    for file_format in ("PNG", "WEBP", "GIF"):
        content = encoded(scene(), file_format, save_all=True, append_images=frames, duration=100)
        yield f"animated {file_format}", Sent(content, Fate.REFUSED)


def sound() -> Iterator[tuple[str, Sent]]:
    for name, content in picture_files.valid().items():
        yield name, Sent(content, Fate.RIGHT)
    for file_format in ("PNG", "JPEG", "WEBP"):
        whole = encoded(scene(), file_format, lossless=True, quality=95)
        for tail in (b"PK\x03\x04 an archive", b"<script>alert(1)</script>"):
            yield f"{file_format} before {tail[:8]!r}", Sent(whole + tail, Fate.RIGHT)
