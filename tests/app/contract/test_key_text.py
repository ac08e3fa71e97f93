import re
import string
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contract.errors import KeyInvalid
from app.contract.key_text import draw_id, draw_key, id_of


def test_a_key_has_a_form_that_a_scanner_can_look_for_and_names_its_id() -> None:
    key_id = draw_id()

    key = draw_key(key_id)

    assert re.fullmatch(r"dk_[0-9a-z]{12}_[0-9A-Za-z]{49}", key)
    assert id_of(key) == key_id


def test_no_two_keys_are_the_same() -> None:
    assert len({draw_key("a" * 12) for _ in range(100)}) == 100


@given(at=st.integers(0, 64), new=st.sampled_from(string.ascii_letters + string.digits + "_"))
def test_a_key_with_another_character_is_known_to_be_none(at: int, new: str) -> None:
    key = draw_key("0123456789ab")

    changed = key[:at] + new + key[at + 1 :]

    with nullcontext() if changed == key else pytest.raises(KeyInvalid):
        assert id_of(changed) == "0123456789ab"


@given(st.text())
def test_any_other_text_is_no_key(text: str) -> None:
    with pytest.raises(KeyInvalid):
        id_of(text)
