import asyncio
from pathlib import Path

import pytest

from app.contract.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage((tmp_path / "not yet" / "there").as_uri())


def test_what_was_put_can_be_got(storage: Storage) -> None:
    storage.put("job/run/0.png", b"pixels", "image/png")

    assert asyncio.run(storage.get("job/run/0.png")) == b"pixels"


def test_what_is_not_there_is_not_found(storage: Storage) -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(storage.get("job/run/0.png"))
