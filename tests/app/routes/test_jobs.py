from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.contract.stored_job import StoredJob
from tests.app.finished import fetch, finish, store_arguments
from tests.app.test_problems import assert_problem

PICTURE = b"\x89PNG and so on"


def test_a_job_is_accepted_with_every_default_filled_in_and_its_seed_drawn(http: httpx.Client) -> None:
    answer = http.post("/v1/jobs", json={"prompt": "a cat wearing a space helmet"})

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == job["urls"]["self"] == f"/v1/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) > 0
    assert (job["object"], job["status"], job["model"]) == ("job", "queued", "mini")
    assert job["request"]["seed"] >= 0
    assert job["request"]["scheduler"] == "DPMSolverMultistepScheduler"
    assert (job["request"]["width"], job["request"]["height"]) == (128, 128)
    assert job["progress"] == {"step": 0, "total_steps": job["request"]["num_inference_steps"]}
    assert http.get(answer.headers["location"]).json() == job


def test_what_is_asked_for_is_what_the_worker_will_read(http: httpx.Client, redis: Redis) -> None:
    asked = {
        "model": "mini",
        "prompt": "un chat coiffé d'un casque 🐱",
        "negative_prompt": "dog",
        "width": 64,
        "height": 256,
        "num_images": 4,
        "num_inference_steps": 1,
        "guidance_scale": 0,
        "seed": 2**63 - 1,
        "scheduler": "DDIMScheduler",
        "output": {"format": "webp", "quality": 1, "metadata": False},
        "priority": "high",
        "deadline_s": 86_400,
        "metadata": {"who": "me"},
    }

    job = http.post("/v1/jobs", json=asked).json()

    assert asked.items() <= job["request"].items()
    [generation] = fetch(redis, job["id"]).args
    assert asked.items() <= generation.items()


def test_two_jobs_of_one_prompt_have_two_seeds(http: httpx.Client) -> None:
    first, second = (http.post("/v1/jobs", json={"prompt": "a cat"}).json() for _ in range(2))

    assert first["id"] != second["id"]
    assert first["request"]["seed"] != second["request"]["seed"]


def test_a_poller_that_has_the_job_already_gets_a_304(http: httpx.Client) -> None:
    path = http.post("/v1/jobs", json={"prompt": "a cat"}).headers["location"]
    etag = http.get(path).headers["etag"]

    same = http.get(path, headers={"if-none-match": f'"other", W/{etag}'})
    http.post(f"{path}/cancel")
    changed = http.get(path, headers={"if-none-match": etag})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert (changed.status_code, changed.json()["status"]) == (200, "canceled")


def test_nothing_of_a_job_is_parsed_for_a_304(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = http.post("/v1/jobs", json={"prompt": "a cat"})
    path, etag = sent.headers["location"], sent.headers["etag"]
    monkeypatch.delattr(StoredJob, "record")

    answer = http.get(path, headers={"if-none-match": etag})

    assert (answer.status_code, answer.headers["etag"]) == (304, etag)
    assert (int(answer.headers["retry-after"]), answer.headers["cache-control"]) == (1, "private, no-cache")
    assert 'route="/v1/jobs/{job_id}",status="304"' in http.get("/metrics").text


def test_cancel_may_be_repeated(http: httpx.Client) -> None:
    path = http.post("/v1/jobs", json={"prompt": "a cat"}).headers["location"]

    first, second = http.post(f"{path}/cancel"), http.post(f"{path}/cancel")

    assert first.status_code == second.status_code == 200
    assert first.json()["status"] == "canceled"
    assert first.json() == second.json()
    assert "retry-after" not in first.headers


@pytest.mark.parametrize("job_id", ["unknown", "a" * 65, "a:b", "%2e%2e", "a%00", "%ff", "ä", "a%0A"])
def test_a_job_that_does_not_exist_is_a_404(http: httpx.Client, job_id: str) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "/images/0")):
        assert_problem(http.request(method, f"/v1/jobs/{job_id}{path}"), 404)


def test_a_job_that_succeeded_lists_its_pictures_and_keeps_their_place_to_itself(
    http: httpx.Client, redis: Redis, images: Path
) -> None:
    job_id = succeed(http, redis, images)

    answer = http.get(f"/v1/jobs/{job_id}")

    [image] = answer.json()["images"]
    assert (answer.json()["status"], image["url"]) == ("succeeded", f"/v1/jobs/{job_id}/images/0")
    assert "retry-after" not in answer.headers
    assert "key" not in image


@pytest.mark.parametrize("stored", [[{"model": "mini"}], ["a cat"], []])
def test_a_job_that_another_version_stored_differently_is_a_404(
    http: httpx.Client, redis: Redis, stored: list[object]
) -> None:
    job_id = http.post("/v1/jobs", json={"prompt": "a cat"}).json()["id"]
    store_arguments(redis, job_id, *stored)

    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "/images/0")):
        assert_problem(http.request(method, f"/v1/jobs/{job_id}{path}"), 404)


def test_what_another_version_stored_besides_is_left_aside(http: httpx.Client, redis: Redis) -> None:
    sent = http.post("/v1/jobs", json={"prompt": "a cat"}).json()
    output = {**sent["request"]["output"], "lossless": True}
    store_arguments(redis, sent["id"], {**sent["request"], "eta": 0.5, "output": output})

    assert http.get(sent["urls"]["self"]).json() == sent


def test_what_an_earlier_version_did_not_store_has_its_default(http: httpx.Client, redis: Redis) -> None:
    sent = http.post("/v1/jobs", json={"prompt": "a cat"}).json()
    earlier = {name: value for name, value in sent["request"].items() if name not in ("priority", "deadline_s")}
    store_arguments(redis, sent["id"], earlier)

    assert http.get(sent["urls"]["self"]).json() == sent


def succeed(http: httpx.Client, redis: Redis, images: Path) -> str:
    job_id: str = http.post("/v1/jobs", json={"prompt": "a cat", "seed": 7}).json()["id"]
    finish(redis, job_id, images, [PICTURE])
    return job_id
