"""Whatever is sent, the answer is a problem that names what is wrong: never a 500."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from redis import Redis

PROMPT = {"prompt": "a cat"}
JSON = {"content-type": "application/json"}

BAD_FIELDS: dict[str, tuple[str, str]] = {
    "no prompt": ("{}", "prompt"),
    "prompt of null": ('{"prompt": null}', "prompt"),
    "prompt that is a list": ('{"prompt": ["a", "b"]}', "prompt"),
    "prompt too long": (json.dumps({"prompt": "a" * 8001}), "prompt"),
    "prompt of a million characters": (json.dumps({"prompt": "a" * 1_000_000}), "prompt"),
    "lone surrogate": (r'{"prompt": "\ud83d"}', "prompt"),
    "NUL in the prompt": (r'{"prompt": "a\u0000b"}', "prompt"),
    "NUL in the negative prompt": (r'{"prompt": "a", "negative_prompt": "\u0000"}', "negative_prompt"),
    "unknown field": ('{"prompt": "a", "steps": 3}', "steps"),
    "unknown field in output": ('{"prompt": "a", "output": {"size": 3}}', "output.size"),
    "quality too high": ('{"prompt": "a", "output": {"quality": 101}}', "output.quality"),
    "unknown format": ('{"prompt": "a", "output": {"format": "gif"}}', "output.format"),
    "unknown priority": ('{"prompt": "a", "priority": "highest"}', "priority"),
    "no time at all": ('{"prompt": "a", "deadline_s": 0}', "deadline_s"),
    "deadline too far": ('{"prompt": "a", "deadline_s": 86401}', "deadline_s"),
    "output of null": ('{"prompt": "a", "output": null}', "output"),
    "negative width": ('{"prompt": "a", "width": -64}', "width"),
    "width of zero": ('{"prompt": "a", "width": 0}', "width"),
    "width of 65": ('{"prompt": "a", "width": 65}', "width"),
    "height too large": ('{"prompt": "a", "height": 4096}', "height"),
    "huge height": ('{"prompt": "a", "height": ' + "9" * 4000 + "}", "height"),
    "width as text": ('{"prompt": "a", "width": "64"}', "width"),
    "width as a fraction": ('{"prompt": "a", "width": 64.5}', "width"),
    "width as a truth value": ('{"prompt": "a", "width": true}', "width"),
    "no images": ('{"prompt": "a", "num_images": 0}', "num_images"),
    "too many images": ('{"prompt": "a", "num_images": 5}', "num_images"),
    "too many steps": ('{"prompt": "a", "num_inference_steps": 1001}', "num_inference_steps"),
    "guidance of NaN": ('{"prompt": "a", "guidance_scale": NaN}', "guidance_scale"),
    "guidance of infinity": ('{"prompt": "a", "guidance_scale": Infinity}', "guidance_scale"),
    "guidance of 1e999": ('{"prompt": "a", "guidance_scale": 1e999}', "guidance_scale"),
    "guidance beyond the model": ('{"prompt": "a", "guidance_scale": 1e6}', "guidance_scale"),
    "guidance of a huge integer": ('{"prompt": "a", "guidance_scale": ' + "9" * 4000 + "}", "guidance_scale"),
    "negative guidance": ('{"prompt": "a", "guidance_scale": -0.1}', "guidance_scale"),
    "negative seed": ('{"prompt": "a", "seed": -1}', "seed"),
    "seed beyond 64 bits": ('{"prompt": "a", "seed": 9223372036854775808}', "seed"),
    "NUL in the scheduler": (r'{"prompt": "a", "scheduler": "\u0000"}', "scheduler"),
    "NUL in the metadata": (r'{"prompt": "a", "metadata": {"k": "\u0000"}}', "metadata.k"),
    "unknown scheduler": ('{"prompt": "a", "scheduler": "Euler"}', "scheduler"),
    "unknown model": ('{"prompt": "a", "model": "sdxl"}', "model"),
    "model that is a path": ('{"prompt": "a", "model": "../../etc/passwd"}', "model"),
    "metadata that is a list": ('{"prompt": "a", "metadata": []}', "metadata"),
    "metadata with a number": ('{"prompt": "a", "metadata": {"k": 1}}', "metadata.k"),
    "metadata nested deeply": ('{"prompt": "a", "metadata": {"k": ' + "[" * 500 + "]" * 500 + "}}", "metadata.k"),
    "too much metadata": (
        json.dumps({**PROMPT, "metadata": {str(n): "" for n in range(17)}}),
        "metadata",
    ),
}

BAD_BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 422, "invalid_field"),
    "a list": (b"[]", 422, "invalid_field"),
    "a text": (b'"a cat"', 422, "invalid_field"),
    "null": (b"null", 422, "invalid_field"),
    "an unknown field that is no text": (rb'{"prompt": "a", "\ud800": 1}', 422, "invalid_field"),
    "a metadata key that is no text": (rb'{"prompt": "a", "metadata": {"\ud800": ""}}', 422, "invalid_field"),
    "a field of output that is no text": (rb'{"prompt": "a", "output": {"\ud800": 1}}', 422, "invalid_field"),
    "a model that is no text": (rb'{"prompt": "a", "model": "\ud800"}', 422, "invalid_field"),
    "a scheduler that is no text": (rb'{"prompt": "a", "scheduler": "\udfff"}', 422, "invalid_field"),
    "half an object": (b'{"prompt": ', 400, "invalid_json"),
    "not UTF-8": (b'{"prompt": "\xff"}', 400, "invalid_json"),
    "nested too deeply": (b"[" * 100_000, 400, "invalid_json"),
    "an integer of 5000 digits": (b'{"width": ' + b"9" * 5000 + b"}", 400, "invalid_json"),
}


@pytest.mark.parametrize(("body", "field"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_bad_field_is_named_by_its_dotted_path(http: httpx.Client, redis: Redis, body: str, field: str) -> None:
    answer = http.post("/v1/jobs", content=body, headers=JSON)

    problem = assert_problem(answer, 422)
    assert [each["field"] for each in problem["errors"]] == [field]
    assert problem["errors"][0]["pointer"] == "/" + field.replace(".", "/")
    assert problem["error"]["param"] == field
    assert not redis.keys()


@pytest.mark.parametrize(("body", "status", "code"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body_is_refused(http: httpx.Client, body: bytes, status: int, code: str) -> None:
    answer = http.post("/v1/jobs", content=body, headers=JSON)

    assert assert_problem(answer, status)["code"] == code


def test_every_bad_field_is_told_at_once(http: httpx.Client) -> None:
    answer = http.post("/v1/jobs", json={"width": 0, "output": {"quality": 0}})

    fields = {each["field"] for each in assert_problem(answer, 422)["errors"]}
    assert fields == {"prompt", "width", "output.quality"}


def test_what_was_sent_is_not_repeated(http: httpx.Client) -> None:
    answer = http.post("/v1/jobs", json={"prompt": ["a secret"]})

    assert_problem(answer, 422)
    assert "secret" not in answer.text


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_announced_as_json_is_a_415(http: httpx.Client, media_type: str) -> None:
    answer = http.post("/v1/jobs", content=b'{"prompt": "a cat"}', headers={"content-type": media_type})

    assert_problem(answer, 415)


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/ld+json"])
def test_json_may_be_announced_in_every_way(http: httpx.Client, media_type: str) -> None:
    answer = http.post("/v1/jobs", content=b'{"prompt": "a cat"}', headers={"content-type": media_type})

    assert answer.status_code == 202


def test_a_body_whose_announced_length_is_too_large_is_a_413(http_with: Callable[..., httpx.Client]) -> None:
    http = http_with(max_body_bytes=1000)

    answer = http.post("/v1/jobs", json={"prompt": "a" * 3_000_000})

    assert assert_problem(answer, 413)["code"] == "body_too_large"


def test_a_body_that_turns_out_too_large_is_a_413(http_with: Callable[..., httpx.Client]) -> None:
    http = http_with(max_body_bytes=1000)

    answer = http.post("/v1/jobs", content=iter([b'{"prompt": "', b"a" * 2000, b'"}']), headers=JSON)

    assert_problem(answer, 413)


@pytest.mark.parametrize("path", ["/v1", "/v1/jobs/", "/v1/jobs/a/b", "/v1/nothing", "/%00", "/v1/models/none"])
def test_an_unknown_path_is_a_404(http: httpx.Client, path: str) -> None:
    assert_problem(http.get(path), 404)


def test_a_wrong_method_is_a_405_that_tells_the_right_one(http: httpx.Client) -> None:
    answer = http.delete("/v1/models")

    assert_problem(answer, 405)
    assert answer.headers["allow"] == "GET"


def test_a_wrong_method_is_told_all_that_the_path_takes(http: httpx.Client) -> None:
    for path, methods in http.get("/openapi.json").json()["paths"].items():
        answer = http.patch(path.replace("{index}", "0"), json=PROMPT)

        assert set(answer.headers["allow"].lower().split(", ")) == set(methods) - {"parameters"}


def test_a_full_queue_is_a_503_that_says_when_to_come_again(http_with: Callable[..., httpx.Client]) -> None:
    http = http_with(max_queued=1)
    http.post("/v1/jobs", json=PROMPT)

    answer = http.post("/v1/jobs", json=PROMPT)

    assert assert_problem(answer, 503)["code"] == "queue_full"
    assert int(answer.headers["retry-after"]) > 0


def test_a_tenant_with_enough_jobs_gets_a_429_that_says_when_to_come_again(
    http_with: Callable[..., httpx.Client],
) -> None:
    http = http_with(max_queued_per_tenant=1)
    http.post("/v1/jobs", json=PROMPT)

    answer = http.post("/v1/jobs", json=PROMPT)

    assert assert_problem(answer, 429)["code"] == "quota_exceeded"
    assert int(answer.headers["retry-after"]) > 0


def test_without_redis_the_service_lives_and_is_not_ready(http_with: Callable[..., httpx.Client]) -> None:
    http = http_with(redis_url="unix:///nowhere/redis.sock")

    answers = [http.post("/v1/jobs", json=PROMPT), http.get("/v1/jobs/a"), http.get("/readyz"), http.get("/v1/models")]

    for answer in answers:
        assert assert_problem(answer, 503)["code"] == "redis_unavailable"
        assert int(answer.headers["retry-after"]) > 0
    assert http.get("/livez").status_code == 200
    assert "darkroom_redis_up 0.0" in http.get("/metrics").text


def test_a_fault_of_ours_is_a_500_without_details(
    http: httpx.Client, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    job = http.post("/v1/jobs", json={"prompt": "a secret"}).json()
    redis.hset(f"rq:job:{job['id']}", "created_at", "a secret")

    answer = http.get(f"/v1/jobs/{job['id']}", headers={"x-request-id": "my-request"})

    problem = assert_problem(answer, 500)
    assert problem["code"] == "internal"
    assert "my-request" in problem["detail"]
    assert "request my-request failed: ValueError" in caplog.text
    assert "secret" not in caplog.text + answer.text


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert answer.status_code == problem["status"] == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == problem["request_id"]
    assert problem["title"]
    assert problem["detail"] == problem["error"]["message"]
    return problem
