import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pictures.exif import is_turned

ENTRY = "HHIH"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_the_orientation_is_found_in_either_byte_order(order: str, prefix: bytes) -> None:
    def exif(orientation: int) -> bytes:
        mark = b"II*\0" if order == "<" else b"MM\0*"
        other = struct.pack(f"{order}{ENTRY}2x", 0x0100, 3, 1, 6)
        wanted = struct.pack(f"{order}{ENTRY}2x", 0x0112, 3, 1, orientation)
        return prefix + mark + struct.pack(f"{order}IH", 8, 2) + other + wanted

    assert [is_turned(exif(orientation)) for orientation in range(10)] == [False] * 5 + [True] * 4 + [False]


@given(st.binary(max_size=64))
def test_what_cannot_be_read_turns_nothing_or_something(rest: bytes) -> None:
    assert is_turned(b"II*\0" + rest) in {True, False}
    assert is_turned(b"") is False
