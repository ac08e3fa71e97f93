"""A PNG: each chunk's checksum is proved, and the pixels are inflated, counted and forgotten piece by piece."""

import struct
import zlib
from collections.abc import Iterator

from app.pictures.anatomy import MAX_PARTS, Anatomy, Animated, CutOff, Damaged, Header, TooManyParts
from app.pictures.exif import is_turned

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.Struct(">IIBBBBB")  # width, height, bit depth, colour type, compression, filter, interlace
HEADER_AT = len(SIGNATURE) + 8
CHUNK = struct.Struct(">I4s")
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
PALETTE, ALPHA = 3, (4, 6)
ANIMATION = (b"acTL", b"fcTL", b"fdAT")
ONLY_ONE = (b"IHDR", b"PLTE", b"IDAT")  # the last may come in pieces, one right after the other
WHOLE = ((0, 0, 1, 1),)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
FED_BYTES, INFLATED_BYTES = 1 << 14, 1 << 20  # zlib copies what it was fed and has not used, each time
MAX_TEXT_BYTES = 1 << 20  # in all; Pillow inflates no more of one text or colour profile


def read_header(content: bytes) -> Header:
    if len(content) < HEADER_AT + HEADER.size:
        raise CutOff
    if CHUNK.unpack_from(content, len(SIGNATURE)) != (HEADER.size, b"IHDR"):
        raise Damaged("it does not begin with a header")
    width, height, depth, colour, compression, filtering, interlace = HEADER.unpack_from(content, HEADER_AT)
    if depth not in DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise Damaged("its header says what no PNG may say")
    return Header(width, height)


def examine(content: bytes) -> Anatomy:
    _, _, _, colour, *_ = HEADER.unpack_from(content, HEADER_AT)
    pixels = _Inflated(_pixel_bytes(content), "it holds more pixels than its header says")
    end, last, before, texts, turned = 0, b"", set(), _Texts(), False
    for kind, data, end in _chunks(content):  # noqa: B007 - the last one's end is the file's
        if kind in before and kind in ONLY_ONE and (last, kind) != (b"IDAT", b"IDAT"):
            raise Damaged("its chunks are out of order")
        last = kind
        before.add(kind)
        if kind == b"IDAT":
            pixels.feed(data)
        elif kind in (b"zTXt", b"iTXt", b"iCCP"):
            texts.count(kind, bytes(data))
        elif kind == b"eXIf":
            turned = is_turned(bytes(data))
    if not pixels.is_whole:
        raise Damaged("it holds fewer pixels than its header says")
    if colour == PALETTE and b"PLTE" not in before:
        raise Damaged("it has no palette")
    return Anatomy(end, has_alpha=colour in ALPHA or b"tRNS" in before, is_turned=turned)


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Each chunk's kind, its data and where it ends, to the closing one."""
    view, end = memoryview(content), len(SIGNATURE)
    for _ in range(MAX_PARTS):
        start = end
        if start + CHUNK.size > len(content):
            raise CutOff
        length, kind = CHUNK.unpack_from(content, start)
        end = start + CHUNK.size + length + 4
        if end > len(content):
            raise CutOff
        if zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise Damaged("a checksum is wrong")
        if kind in ANIMATION:
            raise Animated
        yield kind, view[start + CHUNK.size : end - 4], end
        if kind == b"IEND":
            return
    raise TooManyParts


class _Inflated:
    """A zlib stream that may hold so many bytes and no more."""

    def __init__(self, expected: int, complaint: str) -> None:
        self._stream = zlib.decompressobj()
        self._left = expected
        self._complaint = complaint

    @property
    def left(self) -> int:
        return self._left

    @property
    def is_whole(self) -> bool:
        return self._stream.eof and self._left == 0

    def feed(self, data: memoryview) -> None:
        for at in range(0, len(data), FED_BYTES):
            rest = bytes(data[at : at + FED_BYTES])
            while rest and not self._stream.eof:  # zlib would gather what comes after
                try:
                    self._left -= len(self._stream.decompress(rest, INFLATED_BYTES))
                except zlib.error:
                    raise Damaged("its data cannot be inflated") from None
                if self._left < 0:
                    raise Damaged(self._complaint)
                rest = self._stream.unconsumed_tail


def _pixel_bytes(content: bytes) -> int:
    """How many bytes the pixels inflate to: a row has one byte more, its filter."""
    width, height, depth, colour, _, _, interlace = HEADER.unpack_from(content, HEADER_AT)
    inflated = 0
    for left, top, across, down in ADAM7 if interlace else WHOLE:
        columns, rows = -((left - width) // across), -((top - height) // down)
        if columns > 0 and rows > 0:
            inflated += rows * (1 + (columns * depth * CHANNELS[colour] + 7) // 8)
    return inflated


class _Texts:
    """The compressed texts and colour profiles, which may inflate to so many bytes in all."""

    def __init__(self) -> None:
        self._left = MAX_TEXT_BYTES

    def count(self, kind: bytes, data: bytes) -> None:
        """A keyword and NUL, a method, the stream; an iTXt has two flags, a language and a translation between."""
        _, _, rest = data.partition(b"\0")
        if kind == b"iTXt":
            if rest[:1] != b"\1":
                return
            rest = rest[1:2] + rest[2:].split(b"\0", 2)[-1]
        inflated = _Inflated(self._left, "its texts are too long")
        inflated.feed(memoryview(rest[1:]))
        self._left = inflated.left
