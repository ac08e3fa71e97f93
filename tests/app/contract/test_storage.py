import asyncio
import time
from datetime import UTC, datetime, timedelta
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


def test_what_is_old_is_forgotten_and_what_is_not_stays(storage: Storage, tmp_path: Path) -> None:
    storage.put("job/old/0.png", b"old", "image/png")
    time.sleep(0.02)
    between = datetime.now(UTC)
    time.sleep(0.02)
    storage.put("job/new/0.png", b"new", "image/png")

    assert storage.forget(before=between) == 1

    assert asyncio.run(storage.get("job/new/0.png")) == b"new"
    with pytest.raises(FileNotFoundError):
        asyncio.run(storage.get("job/old/0.png"))
    assert [path.name for path in tmp_path.rglob("job/*")] == ["new"]


def test_what_others_keep_in_the_same_place_is_never_deleted(storage: Storage, tmp_path: Path) -> None:
    storage.put("job/run/0.png", b"pixels", "image/png")
    theirs = tmp_path / "not yet" / "there" / "thesis.pdf"
    theirs.write_bytes(b"years of work")

    forgotten = storage.forget(before=datetime.now(UTC) + timedelta(days=1))

    assert forgotten == 1
    assert theirs.exists()
