from dataclasses import dataclass
from typing import Protocol

MAX_PARTS = 10_000  # chunks or segments


class PictureRefused(Exception):
    """Raised with a sentence that says why a file is not taken for a picture."""


class CutOff(PictureRefused):
    """Raised when a file ends before its picture does."""

    def __init__(self) -> None:
        super().__init__("The picture is cut off.")


class Damaged(PictureRefused):
    """Raised when a file breaks the rules of its format."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The picture is damaged: {what}.")


class TooManyParts(PictureRefused):
    """Raised when a file has more parts than any encoder makes; each takes time to look at."""

    def __init__(self) -> None:
        super().__init__(f"The file has more than {MAX_PARTS} parts.")


class Animated(PictureRefused):
    """Raised when a file holds more pictures than one."""

    def __init__(self) -> None:
        super().__init__("The picture is animated; send a single one.")


@dataclass(frozen=True)
class Header:
    """What a file's first bytes say; `weight` is how much more memory than a plain picture its decoder takes."""

    width: int
    height: int
    weight: int = 1


@dataclass(frozen=True)
class Anatomy:
    """What a whole walk through a file has found; what follows `end` is no part of the picture."""

    end: int
    has_alpha: bool = False
    is_turned: bool = False  # its EXIF orientation swaps width and height


class Format(Protocol):
    """A module that knows one file format; both functions raise PictureRefused."""

    def read_header(self, content: bytes) -> Header:
        """Reads no further than it must."""

    def examine(self, content: bytes) -> Anatomy:
        """Walks through the whole file, without holding a pixel."""
