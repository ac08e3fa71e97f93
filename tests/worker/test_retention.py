import asyncio
import time
from pathlib import Path

import pytest

from app.contract.storage import Storage
from worker.retention import forgetting


def test_pictures_are_deleted_when_their_time_is_over_and_not_before(tmp_path: Path) -> None:
    storage = Storage(tmp_path.as_uri())
    storage.put("job/run/0.png", b"pixels", "image/png")

    with forgetting(storage, retention_s=60, every_s=0.01):
        time.sleep(0.1)
    assert asyncio.run(storage.get("job/run/0.png")) == b"pixels"

    with forgetting(storage, retention_s=0.01, every_s=0.01):
        time.sleep(0.1)
    with pytest.raises(FileNotFoundError):
        asyncio.run(storage.get("job/run/0.png"))
