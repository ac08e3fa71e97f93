import logging
from collections.abc import Callable

import httpx
import pytest
from redis import Redis
from rq.job import JobStatus

from app.contract import names
from app.contract.limits import Limits
from tests.app.finished import fetch
from tests.app.key_holders import make_key
from tests.app.processes import wait_until
from tests.app.test_problems import assert_problem

Start = Callable[..., httpx.Client]
CAT = {"prompt": "a cat"}


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer sk-123"},
        {"authorization": "Bearer \xff\xfe"},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"x-api-key": "dk_123"},
    ],
)
def test_without_a_key_a_request_is_refused_before_its_body_is_read(http_with: Start, sent: dict[str, str]) -> None:
    http = http_with(auth="keys")

    answer = http.post("/v1/jobs", content=b"{", headers=httpx.Headers(sent, encoding="latin-1"))

    problem = assert_problem(answer, 401)
    assert problem["code"] == problem["error"]["code"] == "invalid_api_key"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_only_what_tells_of_no_job_is_open(http_with: Start) -> None:
    http = http_with(auth="keys")

    for path in ("/livez", "/readyz", "/metrics", "/docs", "/openapi.json"):
        assert http.get(path).status_code == 200
    for path, operations in http.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            status = http.request(method, path.replace("{", "").replace("}", "")).status_code
            assert (status == 401) == path.startswith("/v1/") == ("security" in operation), (method, path)
            if path.startswith("/v1/"):
                assert operation["security"] == [{"key": []}]
    assert http.get("/v1/unknown").status_code == 401


def test_the_rate_of_a_key_is_told_with_each_answer_and_held(http_with: Start, redis_url: str) -> None:
    http = http_with()
    _, header = make_key(redis_url, Limits(requests_per_minute=3, max_jobs=5))

    answers = [http.get(path, headers=header) for path in ("/v1/models", "/v1/jobs/none", "/v1/nothing", "/v1/models")]

    assert [each.status_code for each in answers] == [200, 404, 404, 429]
    for each in answers:
        assert each.headers["ratelimit-policy"] == '"requests_per_minute";q=3;w=60, "max_jobs";q=5;qu="jobs"'
    assert [each.headers["ratelimit"].split(";")[1] for each in answers] == ["r=2", "r=1", "r=0", "r=0"]
    problem = assert_problem(answers[-1], 429)
    assert problem["code"] == "quota_exceeded"
    assert "requests_per_minute" in problem["detail"]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 21


@pytest.mark.parametrize(
    ("bound", "most", "policy"),
    [
        ("max_jobs", 2, '"max_jobs";q=2;qu="jobs"'),
        ("max_queued", 2, '"max_queued";q=2;qu="jobs"'),
        ("pixels_per_day", 40_000, '"pixels_per_day";q=40000;qu="pixels";w=86400'),
    ],
)
def test_a_job_beyond_a_limit_of_the_key_is_refused_with_the_name_of_the_limit(
    http_with: Start, redis_url: str, bound: str, most: int, policy: str
) -> None:
    http = http_with()
    _, header = make_key(redis_url, Limits.model_validate({bound: most}))
    sent = [http.put(f"/v1/jobs/{n}", json=CAT, headers=header) for n in (1, 2, 2, 3)]

    assert [each.status_code for each in sent] == [202, 202, 200, 429]
    problem, refusal = assert_problem(sent[-1], 429), sent[-1].headers
    assert problem["code"] == problem["error"]["code"] == "quota_exceeded"
    assert f"{bound}={most}" in problem["detail"]
    assert refusal["ratelimit"] == f'"{bound}";r=0;t={refusal["retry-after"]}'
    assert {each.headers["ratelimit-policy"] for each in sent} == {policy}


def test_a_job_that_ends_makes_room_for_the_next_one_of_its_key(http_with: Start, redis_url: str, redis: Redis) -> None:
    http = http_with()
    key, header = make_key(redis_url, Limits(max_jobs=1))
    assert http.put("/v1/jobs/first", json=CAT, headers=header).status_code == 202
    assert http.put("/v1/jobs/second", json=CAT, headers=header).status_code == 429

    fetch(redis, f"{key.tenant}_first").set_status(JobStatus.FINISHED)

    assert http.put("/v1/jobs/second", json=CAT, headers=header).status_code == 202


def test_no_log_and_no_answer_holds_an_api_key(
    http_with: Start,
    redis_url: str,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    http = http_with()
    key, header = make_key(redis_url, Limits(requests_per_minute=1_000))
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("app.auth.MEMORY_S", 0.2)

    answers = [http.post("/v1/jobs", json=CAT, headers=header)]
    answers += [http.get(path, headers=header) for path in ("/v1/models", "/v1/nothing", "/metrics", "/v1/jobs/none")]
    answers += [http.get("/v1/models", headers={"authorization": header["authorization"] + "x"})]
    redis.hset(names.key_record(key.id), "about", "broken")
    wait_until(lambda: http.get("/v1/models", headers=header).status_code == 500)
    answers += [http.get("/v1/models", headers=header)]

    said = [caplog.text, *capfd.readouterr(), *(each.text + str(each.headers) for each in answers)]
    assert "failed: ValidationError" in caplog.text
    assert not any(header["authorization"].rpartition("_")[2] in each for each in said)
