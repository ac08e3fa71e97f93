import struct

ORIENTATION = 0x0112
TURNED = range(5, 9)  # by a quarter to either side, mirrored or not


def is_turned(exif: bytes) -> bool:
    """Whether the orientation swaps width and height; what cannot be read turns nothing."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return False
    try:
        [directory] = struct.unpack_from(f"{order}I", tiff, 4)
        [entries] = struct.unpack_from(f"{order}H", tiff, directory)
        for n in range(entries):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + 12 * n)
            if tag == ORIENTATION:
                return value in TURNED
    except struct.error:
        pass
    return False
