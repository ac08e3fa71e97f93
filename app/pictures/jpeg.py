"""A JPEG: its segments, one after the other, with what lies between them skipped to the next marker."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.pictures.anatomy import MAX_PARTS, Anatomy, CutOff, Damaged, Header, PictureRefused, TooManyParts
from app.pictures.exif import is_turned

SIGNATURE = b"\xff\xd8\xff"
END, SCAN, APP1 = 0xD9, 0xDA, 0xE1
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # these three are tables
PROGRESSIVE = 0xC2
PROGRESSIVE_WEIGHT = 2  # its decoder holds all coefficients, of two bytes each
READABLE_FRAMES = (0xC0, 0xC1, PROGRESSIVE)  # the first two are baseline and extended
COMPONENTS = (1, 3, 4)  # grey, colour, CMYK
MAX_SCANS = 64  # a progressive file with thousands takes minutes to decode
MARKER = rb"\xff([^\x00\xff\xd0-\xd7])"  # neither a stuffed byte nor a restart
NEXT = re.compile(MARKER, re.DOTALL)
HERE = re.compile(rb"\xff*" + MARKER, re.DOTALL)  # a search for it would take the square of the fill bytes' number


@dataclass(frozen=True)
class Segment:
    marker: int
    data: memoryview
    end: int
    coded_bytes: int = 0  # what follows a scan's header


def read_header(content: bytes) -> Header:
    for segment in _segments(content):
        if segment.marker in FRAMES:
            return Header(*_frame_size(segment), PROGRESSIVE_WEIGHT if segment.marker == PROGRESSIVE else 1)
        if segment.marker == SCAN:
            break
    raise Damaged("it has no frame")


def examine(content: bytes) -> Anatomy:
    segments = list(_segments(content))
    frames = [each for each in segments if each.marker in FRAMES]
    scans = [each for each in segments if each.marker == SCAN]
    if len(frames) != 1 or not scans:
        raise Damaged("it does not have one frame with its scans")
    if len(scans) > MAX_SCANS:
        raise PictureRefused(f"The picture has more than {MAX_SCANS} scans.")
    if 8 * sum(scan.coded_bytes for scan in scans) < _blocks(frames[0]):
        raise Damaged("it holds fewer pixels than its header says")
    exif = [bytes(each.data) for each in segments if each.marker == APP1 and bytes(each.data[:6]) == b"Exif\0\0"]
    return Anatomy(segments[-1].end, is_turned=any(map(is_turned, exif[:1])))


def _segments(content: bytes) -> Iterator[Segment]:
    """Every segment that has a length, then the end."""
    view, at = memoryview(content), 2
    for _ in range(MAX_PARTS):
        if not (found := HERE.match(content, at)):
            raise CutOff if at + 1 >= len(content) else Damaged("a marker is missing")
        marker, start = found[1][0], found.end()
        if marker == END:
            yield Segment(END, view[:0], start)
            return
        end = start + int.from_bytes(view[start : start + 2])
        if start + 2 > len(content) or end > len(content):
            raise CutOff
        if end < start + 2:
            raise Damaged("a segment has no length")
        at = end
        if marker == SCAN:
            if not (following := NEXT.search(content, end)):
                raise CutOff
            at = following.start()
        yield Segment(marker, view[start + 2 : end], end, at - end)
    raise TooManyParts


def _frame_size(frame: Segment) -> tuple[int, int]:
    """A frame: sample depth, height, width, then three bytes a component."""
    if frame.marker not in READABLE_FRAMES or bytes(frame.data[:1]) != b"\x08":
        raise PictureRefused("This kind of JPEG is not taken; baseline and progressive ones with 8 bits are.")
    if len(frame.data) < 6 or frame.data[5] not in COMPONENTS or len(frame.data) != 6 + 3 * frame.data[5]:
        raise Damaged("its frame says what no JPEG may say")
    return int.from_bytes(frame.data[3:5]), int.from_bytes(frame.data[1:3])


def _blocks(frame: Segment) -> int:
    """How many blocks of 8x8 there are at least; the code of each takes a bit or more."""
    width, height = _frame_size(frame)
    factors = [(each >> 4, each & 15) for each in frame.data[7::3]]
    if any(not 1 <= each <= 4 for pair in factors for each in pair):
        raise Damaged("its frame says what no JPEG may say")
    most_across, most_down = (max(each) for each in zip(*factors, strict=True))
    return sum(
        -(width * across // (-8 * most_across)) * -(height * down // (-8 * most_down)) for across, down in factors
    )
