"""A submission that is repeated is one job, over real HTTP."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import httpx
import pytest
from redis import Redis
from rq import Queue

from app.contract import names
from app.submission import id_for_key
from tests.app.finished import finish
from tests.app.test_problems import assert_problem

BODY = {"prompt": "a cat"}
CLIENTS = 20
KEYS = [f"key-{n}" for n in range(10)]


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
