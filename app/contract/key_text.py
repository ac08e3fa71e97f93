"""The text of an API key: `dk_<id>_<32 random bytes and a checksum, in base 62>`.

Tools that look for leaked secrets know it by its form and tell a real one from a likeness by its checksum, offline.
"""

import re
import secrets
import string
import zlib

from app.contract.errors import KeyInvalid

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LENGTH = 12
SECRET_LENGTH = 43  # 32 bytes
CHECKSUM_LENGTH = 6  # 4 bytes
FORM = re.compile(
    rf"(?P<unchecked>dk_(?P<id>[0-9a-z]{{{ID_LENGTH}}})_[0-9A-Za-z]{{{SECRET_LENGTH}}})"
    rf"(?P<checksum>[0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
)


def draw_id() -> str:
    return "".join(secrets.choice(string.digits + string.ascii_lowercase) for _ in range(ID_LENGTH))


def draw_key(key_id: str) -> str:
    unchecked = f"dk_{key_id}_{_base62(secrets.randbits(256), SECRET_LENGTH)}"
    return unchecked + _checksum(unchecked)


def id_of(key: str) -> str:
    """The id that a key names; raises KeyInvalid if it is not written as a key is."""
    found = FORM.fullmatch(key)
    if not found or found["checksum"] != _checksum(found["unchecked"]):
        raise KeyInvalid
    return found["id"]


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
