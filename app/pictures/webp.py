"""A WEBP: a RIFF file whose chunks hold one picture, lossy or lossless, and what belongs to it."""

import struct
from collections.abc import Iterator

from app.pictures.anatomy import MAX_PARTS, Anatomy, Animated, CutOff, Damaged, Header, TooManyParts
from app.pictures.exif import is_turned

CHUNK = struct.Struct("<4sI")
FIRST_CHUNK_AT = 12
IMAGES = (b"VP8 ", b"VP8L")
EXTENDED = b"VP8X"
WEIGHT = 3  # Pillow decodes each as an animation, whose decoder holds three pictures
ANIMATION, ALPHA = 0x02, 0x10  # the flags of an extended file


def read_header(content: bytes) -> Header:
    return Header(*_size(content), WEIGHT)


def _size(content: bytes) -> tuple[int, int]:
    if len(content) < FIRST_CHUNK_AT + CHUNK.size + 10:
        raise CutOff
    kind, _ = CHUNK.unpack_from(content, FIRST_CHUNK_AT)
    data = memoryview(content)[FIRST_CHUNK_AT + CHUNK.size :]
    if kind == EXTENDED:
        return 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")
    return _image_size(kind, data)


def examine(content: bytes) -> Anatomy:
    chunks = list(_chunks(content))
    kinds = [kind for kind, _ in chunks]
    first, opening = chunks[0] if chunks else (b"", memoryview(b""))
    if first not in (EXTENDED, *IMAGES) or len(opening) < 10:
        raise Damaged("it does not begin with a header")
    flags = opening[0] if first == EXTENDED else 0
    if flags & ANIMATION or b"ANIM" in kinds or b"ANMF" in kinds:
        raise Animated
    images = [(kind, data) for kind, data in chunks if kind in IMAGES]
    if len(images) != 1:
        raise Damaged("it does not hold one picture")
    [(kind, data)] = images
    if _image_size(kind, data) != _size(content):
        raise Damaged("its headers tell two sizes")
    exif = [bytes(data) for kind, data in chunks if kind == b"EXIF"]
    has_alpha = b"ALPH" in kinds or (kind == b"VP8L" and bool(data[4] & ALPHA))
    return Anatomy(_end(content), has_alpha, is_turned=any(map(is_turned, exif[:1])))


def _end(content: bytes) -> int:
    return int.from_bytes(content[4:8], "little") + 8


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, at, end = memoryview(content), FIRST_CHUNK_AT, _end(content)
    if end > len(content):
        raise CutOff
    for _ in range(MAX_PARTS):
        if at == end:
            return
        if at + CHUNK.size > end:
            raise Damaged("a chunk is larger than its file")
        kind, length = CHUNK.unpack_from(content, at)
        start, at = at + CHUNK.size, at + CHUNK.size + length + length % 2
        if at > end:
            raise Damaged("a chunk is larger than its file")
        yield kind, view[start : start + length]
    raise TooManyParts


def _image_size(kind: bytes, data: memoryview) -> tuple[int, int]:
    """Of a lossy picture, 14 bits each after its frame's head; of a lossless one, 14 bits each after one byte."""
    if len(data) < 10:
        raise Damaged("it holds no picture")
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        if data[0] != 0x2F or bits >> 29:
            raise Damaged("its header says what no WEBP may say")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    head = int.from_bytes(data[:3], "little")
    is_shown_key_frame = head & 0b1_0001 == 0b1_0000
    if kind != b"VP8 " or not is_shown_key_frame or bytes(data[3:6]) != b"\x9d\x01\x2a" or head >> 5 > len(data) - 10:
        raise Damaged("its header says what no WEBP may say")
    return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
