import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from obstore.exceptions import BaseError

from app.contract.storage import FOLDER, Storage
from tests.app.contract.object_server import ObjectServer, Stored
from tests.app.contract.object_stores import at_object_server


@pytest.fixture(params=["s3", "gs", "az"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(scheme: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    with at_object_server(scheme, monkeypatch) as server:
        yield server


@pytest.fixture
def storage(scheme: str, server: ObjectServer) -> Storage:  # noqa: ARG001 - it is where the storage is
    return Storage(f"{scheme}://bucket")


def test_an_object_store_keeps_a_picture_with_its_type_in_a_folder_of_ours(
    storage: Storage, server: ObjectServer
) -> None:
    storage.put("job/run/0.png", b"pixels", "image/png")

    [(key, stored)] = server.objects.items()
    assert (key, stored.content_type) == (f"bucket/{FOLDER}/job/run/0.png", "image/png")
    assert asyncio.run(storage.get("job/run/0.png")) == storage.read("job/run/0.png") == b"pixels"


def test_an_object_store_that_is_away_for_a_moment_is_tried_again(storage: Storage, server: ObjectServer) -> None:
    server.refusals = 2

    storage.put("job/run/0.png", b"pixels", "image/png")

    assert storage.read("job/run/0.png") == b"pixels"


def test_an_object_store_that_stays_away_is_given_up_in_time(scheme: str, server: ObjectServer) -> None:
    server.refusals = 1_000
    impatient = Storage(f"{scheme}://bucket", patience_s=0)

    with pytest.raises(BaseError):
        impatient.put("job/run/0.png", b"pixels", "image/png")

    assert len(server.requests) == 1


def test_pictures_cannot_be_put_into_a_bucket_that_is_not_there(storage: Storage, server: ObjectServer) -> None:
    server.refusals, server.refusal = 2, 404

    with pytest.raises(BaseError):
        storage.put("job/run/0.png", b"pixels", "image/png")
    with pytest.raises(BaseError):
        asyncio.run(storage.put_async("job/run/0.png", b"pixels", "image/png"))


def test_an_object_store_tells_that_a_picture_is_gone(storage: Storage) -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(storage.get("job/run/0.png"))


def test_retention_deletes_old_pictures_from_an_object_store_and_nothing_else(
    storage: Storage, server: ObjectServer
) -> None:
    storage.put("new/0.png", b"new", "image/png")
    long_ago = datetime.now(UTC) - timedelta(days=2)
    for key in (f"{FOLDER}/old/0.png", f"{FOLDER}/old/1.png", "theirs.pdf"):
        server.objects[f"bucket/{key}"] = Stored(b"old", "image/png", long_ago)

    assert storage.forget(before=datetime.now(UTC) - timedelta(days=1)) == 2

    assert set(server.objects) == {f"bucket/{FOLDER}/new/0.png", "bucket/theirs.pdf"}


def test_a_job_is_erased_from_an_object_store_with_all_its_pictures_and_no_other(
    storage: Storage, server: ObjectServer
) -> None:
    for key in ("job/run/0.png", "job/inputs/ab", "job1/0.png"):
        storage.put(key, b"pixels", "image/png")

    storage.erase("job")

    assert set(server.objects) == {f"bucket/{FOLDER}/job1/0.png"}


def test_a_bucket_may_hold_the_pictures_in_a_folder(scheme: str, server: ObjectServer) -> None:
    storage = Storage(f"{scheme}://bucket/deep/down")

    storage.put("job/0.png", b"pixels", "image/png")

    assert list(server.objects) == [f"bucket/deep/down/{FOLDER}/job/0.png"]


def test_s3_signs_an_address_that_needs_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    with at_object_server("s3", monkeypatch) as server:
        address = asyncio.run(Storage("s3://bucket", redirects=True).address("job/0.png"))
        assert asyncio.run(Storage("s3://bucket").address("job/0.png")) is None

    assert str(address).startswith(f"{server.url}/bucket/{FOLDER}/job/0.png?")
    assert parse_qs(urlsplit(str(address)).query)["X-Amz-Expires"] == ["60"]
    assert server.requests == []
