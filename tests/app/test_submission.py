"""A submission that is repeated is one job, over real HTTP."""

from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import httpx
import pytest
from redis import Redis
from rq import Queue

from app.contract import names
from app.contract.storage import FOLDER
from app.submission import id_for_key
from tests.app.finished import finish
from tests.app.test_problems import assert_problem
from tests.picture_files import encoded, scene

BODY = {"prompt": "a cat"}
CLIENTS = 20
KEYS = [f"key-{n}" for n in range(10)]
PNG, OTHER_PNG = encoded(scene()), encoded(scene().rotate(180))
IMAGE, OTHER_IMAGE = ({"image": b64encode(each).decode()} for each in (PNG, OTHER_PNG))


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_clients_that_submit_the_same_keys_at_once_get_one_job_a_key(http: httpx.Client, redis: Redis) -> None:
    def submit_all(client: int) -> dict[str, str]:
        keys = Random(client).sample(KEYS, len(KEYS))  # noqa: S311
        with httpx.Client(base_url=http.base_url, trust_env=False) as own:
            answers = {key: own.post("/v1/jobs", json=BODY, headers=keyed(key)) for key in keys}
        assert {answer.status_code for answer in answers.values()} == {202}
        return {key: answer.json()["id"] for key, answer in answers.items()}

    with ThreadPoolExecutor(CLIENTS) as clients:
        first, *others = clients.map(submit_all, range(CLIENTS))

    assert all(other == first for other in others)
    queued = Queue(names.queue_name("mini"), connection=redis).job_ids
    assert sorted(queued) == sorted(set(first.values()))
    assert len(queued) == len(KEYS)


def test_a_repeat_gives_the_same_job_with_the_seed_that_was_drawn_first(http: httpx.Client) -> None:
    first, second = (http.post("/v1/jobs", json=BODY, headers=keyed("k")) for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert first.headers["location"] == second.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"


def test_a_repeat_after_the_end_is_a_200_with_the_pictures(http: httpx.Client, redis: Redis, images: Path) -> None:
    job_id = http.post("/v1/jobs", json=BODY, headers=keyed("k")).json()["id"]
    finish(redis, job_id, images, [b"picture"])

    answer = http.post("/v1/jobs", json=BODY, headers=keyed("k"))

    assert (answer.status_code, answer.json()["status"], len(answer.json()["images"])) == (200, "succeeded", 1)


def test_a_key_or_an_id_with_another_body_is_a_422(http: httpx.Client) -> None:
    http.post("/v1/jobs", json=BODY, headers=keyed("k"))
    http.put("/v1/jobs/mine", json=BODY)

    answers = [
        http.post("/v1/jobs", json={"prompt": "a dog"}, headers=keyed("k")),
        http.put("/v1/jobs/mine", json={**BODY, "seed": 1}),
    ]

    assert [assert_problem(answer, 422)["code"] for answer in answers] == ["job_conflict"] * 2


def test_a_caller_may_name_the_job_and_name_it_again(http: httpx.Client) -> None:
    first, second = (http.put("/v1/jobs/mine", json=BODY) for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()
    assert first.json()["id"] == "mine"
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "clé"])
def test_a_key_that_cannot_be_kept_is_a_422(http: httpx.Client, key: str) -> None:
    answer = http.post("/v1/jobs", json=BODY, headers={b"Idempotency-Key": key.encode()})

    assert "idempotency" in assert_problem(answer, 422)["errors"][0]["field"]


def test_the_same_key_of_two_tenants_is_two_jobs() -> None:
    assert id_for_key("k", "one") != id_for_key("k", "two")


def test_a_rejected_submission_leaves_no_key_behind(http_with: Callable[..., httpx.Client], redis: Redis) -> None:
    http = http_with(max_queued=1)
    blocking = http.post("/v1/jobs", json=BODY).json()
    assert_problem(http.post("/v1/jobs", json=BODY, headers=keyed("k")), 503)
    keys = redis.keys("*")

    http.post(f"{blocking['urls']['cancel']}")
    answer = http.post("/v1/jobs", json=BODY, headers=keyed("k"))

    assert answer.status_code == 202
    assert not [key for key in keys if id_for_key("k", names.OPEN_TENANT).encode() in key]


def stored_inputs(images: Path) -> dict[str, list[bytes]]:
    """The pictures of every job that has some."""
    folders = (images / FOLDER).glob("*/inputs")
    return {folder.parent.name: [path.read_bytes() for path in folder.iterdir()] for folder in folders}


def test_the_same_pictures_again_are_the_same_job_and_others_a_conflict(http: httpx.Client, images: Path) -> None:
    first, second = (http.put("/v1/jobs/pictured", json={**BODY, **IMAGE}) for _ in range(2))

    others = [
        http.put("/v1/jobs/pictured", json={**BODY, **OTHER_IMAGE}),
        http.put("/v1/jobs/pictured", json={**BODY, **IMAGE, "mask": OTHER_IMAGE["image"]}),
        http.put("/v1/jobs/pictured", json=BODY),
    ]

    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()
    assert [assert_problem(answer, 422)["code"] for answer in others] == ["job_conflict"] * 3
    assert stored_inputs(images)["pictured"] == [PNG]


def test_clients_that_send_the_same_pictures_at_once_get_one_job_that_has_them(
    http: httpx.Client, images: Path
) -> None:
    def submit(_client: int) -> str:
        answer = httpx.post(f"{http.base_url}/v1/jobs", json={**BODY, **IMAGE}, headers=keyed("pictures"))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    with ThreadPoolExecutor(8) as clients:
        [job_id] = set(clients.map(submit, range(8)))

    assert stored_inputs(images)[job_id] == [PNG]


def test_a_refused_job_leaves_no_picture_behind(http_with: Callable[..., httpx.Client], tmp_path: Path) -> None:
    http = http_with(max_queued=1, storage_url=tmp_path.as_uri())
    http.post("/v1/jobs", json=BODY)

    answers = [
        http.post("/v1/jobs", json={**BODY, **IMAGE}),
        http.post("/v1/jobs", json={**BODY, **IMAGE}, headers=keyed("k")),
        http.put("/v1/jobs/mine", json={**BODY, **IMAGE}),
    ]

    assert [assert_problem(answer, 503)["code"] for answer in answers] == ["queue_full"] * 3
    assert stored_inputs(tmp_path) == {}


def test_a_storage_that_takes_nothing_admits_nothing_and_the_log_says_why(
    http_with: Callable[..., httpx.Client], redis: Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / FOLDER).write_text("in the way of the folder")
    http = http_with(storage_url=(tmp_path / "images").as_uri())

    answer = http.post("/v1/jobs", json={**BODY, **IMAGE})

    assert assert_problem(answer, 503)["code"] == "storage_unavailable"
    assert "File exists" in caplog.text or "Not a directory" in caplog.text
    assert not redis.keys("rq:job:*")
