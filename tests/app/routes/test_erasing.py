from pathlib import Path

import httpx
from redis import Redis

from app.contract import names
from app.contract.storage import FOLDER
from tests.app.finished import finish
from tests.app.test_problems import assert_problem

BODY = {"prompt": "a cat", "seed": 7}


def test_a_job_is_erased_with_its_pictures_and_its_prompt(http: httpx.Client, redis: Redis, images: Path) -> None:
    job_id = http.put("/v1/jobs/mine", json=BODY).json()["id"]
    finish(redis, job_id, images, [b"a picture"])
    neighbour = images / FOLDER / "mine-2" / "0.png"
    neighbour.parent.mkdir(parents=True)
    neighbour.write_bytes(b"another picture")

    answer = http.delete("/v1/jobs/mine")

    assert (answer.status_code, answer.content) == (204, b"")
    assert not (images / FOLDER / job_id).exists()
    assert neighbour.exists()
    assert [key.decode() for key in redis.scan_iter() if b"mine" in key] == [names.erased_key("mine")]
    assert redis.zcard(names.jobs_key(names.OPEN_TENANT)) == 0


def test_what_was_erased_stays_gone_and_erasing_may_be_repeated(http: httpx.Client) -> None:
    key = {"idempotency-key": "once"}
    job_id = http.post("/v1/jobs", json=BODY, headers=key).json()["id"]
    path = f"/v1/jobs/{job_id}"

    assert [http.delete(path).status_code for _ in range(2)] == [204, 204]

    assert_problem(http.post("/v1/jobs", json=BODY, headers=key), 410)
    assert_problem(http.put(path, json=BODY), 410)
    assert_problem(http.post(f"{path}/cancel"), 410)
    assert_problem(http.get(path, headers={"if-none-match": "*"}), 410)
    for under in ("", "/events", "/images/0"):
        assert assert_problem(http.get(path + under), 410)["code"] == "job_erased"


def test_a_job_that_nobody_sent_cannot_be_erased(http: httpx.Client) -> None:
    assert_problem(http.delete("/v1/jobs/unknown"), 404)


def test_pictures_that_the_storage_does_not_delete_are_deleted_when_it_is_sent_again(
    http: httpx.Client, redis: Redis, images: Path
) -> None:
    http.put("/v1/jobs/mine", json=BODY)
    finish(redis, "mine", images, [b"a picture"])
    loop = images / FOLDER / "mine" / "loop"
    loop.symlink_to(loop)

    refused = http.delete("/v1/jobs/mine")
    loop.unlink()

    assert assert_problem(refused, 503)["code"] == "storage_unavailable"
    assert http.delete("/v1/jobs/mine").status_code == 204
    assert not (images / FOLDER / "mine").exists()
