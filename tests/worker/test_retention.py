import asyncio
import time
from pathlib import Path

import pytest
from redis import Redis
from rq.job import Job

from app.contract.storage import Storage
from worker.retention import forgetting


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path.as_uri())
    storage.put("job/run/0.png", b"pixels", "image/png")
    return storage


def test_pictures_are_deleted_when_their_time_is_over_and_not_before(storage: Storage, redis: Redis) -> None:
    with forgetting(storage, redis, retention_s=60, every_s=0.01):
        time.sleep(0.1)
    assert asyncio.run(storage.get("job/run/0.png")) == b"pixels"

    with forgetting(storage, redis, retention_s=0.01, every_s=0.01):
        time.sleep(0.1)
    with pytest.raises(FileNotFoundError):
        asyncio.run(storage.get("job/run/0.png"))


def test_the_pictures_of_a_job_stay_as_long_as_its_record(storage: Storage, redis: Redis) -> None:
    redis.hset(Job.key_for("waiting"), "status", "queued")
    storage.put("waiting/inputs/digest", b"pixels", "image/png")

    with forgetting(storage, redis, retention_s=0.01, every_s=0.01):
        time.sleep(0.1)

    assert storage.read("waiting/inputs/digest") == b"pixels"
    with pytest.raises(FileNotFoundError):
        storage.read("job/run/0.png")


def test_nothing_is_deleted_as_long_as_redis_does_not_say_whose_it_is(storage: Storage) -> None:
    with (
        Redis.from_url("unix:///nowhere/redis.sock") as nobody,
        forgetting(storage, nobody, retention_s=0.01, every_s=0.01),
    ):
        time.sleep(0.1)

    assert storage.read("job/run/0.png") == b"pixels"
