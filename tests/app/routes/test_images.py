import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.contract.storage import FOLDER, Storage
from tests.app.contract.object_stores import at_object_server
from tests.app.finished import finish
from tests.app.test_problems import assert_problem

PICTURE = b"\x89PNG and so on"


def test_a_picture_comes_with_its_type_and_may_be_kept(http: httpx.Client, redis: Redis, images: Path) -> None:
    job_id = succeed(http, redis, images)

    answer = http.get(f"/v1/jobs/{job_id}/images/0")

    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["etag"] == f'"{hashlib.sha256(PICTURE).hexdigest()}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert {"private", "immutable"} <= set(answer.headers["cache-control"].split(", "))
    again = http.get(f"/v1/jobs/{job_id}/images/0", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("index", ["1", "-1", "x", "0.0", "9" * 5000, "..%2F0"])
def test_a_picture_that_does_not_exist_is_a_404(http: httpx.Client, redis: Redis, images: Path, index: str) -> None:
    job_id = succeed(http, redis, images)

    assert_problem(http.get(f"/v1/jobs/{job_id}/images/{index}"), 404)


def test_a_picture_of_a_job_that_waits_is_a_404(http: httpx.Client) -> None:
    path = http.post("/v1/jobs", json={"prompt": "a cat"}).headers["location"]

    problem = assert_problem(http.get(f"{path}/images/0"), 404)

    assert problem["code"] == "image_not_found"
    assert "queued" in problem["detail"]


def test_a_picture_that_is_no_longer_kept_is_a_404(http: httpx.Client, redis: Redis, images: Path) -> None:
    job_id = succeed(http, redis, images)
    (images / FOLDER / job_id / "0.png").unlink()

    assert "no longer kept" in assert_problem(http.get(f"/v1/jobs/{job_id}/images/0"), 404)["detail"]


def test_a_storage_that_does_not_give_the_picture_is_a_503(http: httpx.Client, redis: Redis, images: Path) -> None:
    job_id = succeed(http, redis, images)
    picture = images / FOLDER / job_id / "0.png"
    picture.unlink()
    picture.symlink_to(picture)

    answer = http.get(f"/v1/jobs/{job_id}/images/0")

    assert assert_problem(answer, 503)["code"] == "storage_unavailable"
    assert int(answer.headers["retry-after"]) > 0


def test_who_asks_for_a_picture_may_be_sent_to_the_storage(
    http_with: Callable[..., httpx.Client], redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_object_server("s3", monkeypatch) as server:
        http = http_with(storage_url="s3://bucket", redirect_images=True)
        job_id = succeed(http, redis, tmp_path)
        Storage("s3://bucket").put(f"{job_id}/0.png", PICTURE, "image/png")

        sent = http.get(f"/v1/jobs/{job_id}/images/0")

        assert (sent.status_code, sent.content) == (307, b"")
        assert sent.headers["location"].startswith(f"{server.url}/bucket/{FOLDER}/{job_id}/0.png?")
        assert "no-store" in sent.headers["cache-control"]  # the address is good for a minute alone


def succeed(http: httpx.Client, redis: Redis, images: Path) -> str:
    job_id: str = http.post("/v1/jobs", json={"prompt": "a cat", "seed": 7}).json()["id"]
    finish(redis, job_id, images, [PICTURE])
    return job_id
