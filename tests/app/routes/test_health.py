import re
from collections.abc import Callable

import httpx
from redis import Redis

from app.contract import names
from tests.app.announced import announce


def test_readiness_tells_how_many_workers_live(http: httpx.Client, redis: Redis) -> None:
    none = http.get("/readyz")
    announce(redis, "one")
    announce(redis, "two")

    assert (none.status_code, none.json()["workers"]) == (200, 0)
    assert http.get("/readyz").json()["workers"] == 2


def test_what_another_versions_worker_says_is_left_aside(http: httpx.Client, redis: Redis) -> None:
    announce(redis, "one")
    announce(redis, "other")
    redis.set(names.announcement_key("other"), '{"worker": "other"}')

    answers = [http.get(path) for path in ("/readyz", "/v1/models", "/metrics")]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].json()["workers"] == 1


def test_metrics_tell_of_the_fleet_and_the_queues(http: httpx.Client, redis: Redis) -> None:
    announce(redis, "one")
    announce(redis, "two", running=5)
    http.post("/v1/jobs", json={"prompt": "a cat"})
    ended = http.post("/v1/jobs", json={"prompt": "a cat", "priority": "high"}).json()["id"]
    http.post(f"/v1/jobs/{ended}/cancel")

    metrics = http.get("/metrics")

    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    expected = {
        "darkroom_redis_up": 1,
        "darkroom_workers": 2,
        "darkroom_fleet_slots": 32,
        "darkroom_fleet_slots_used": 8,
        'darkroom_mean_rows_per_forward{model="mini",module="unet"}': 16,
        'darkroom_jobs{model="mini",status="queued"}': 1,
        'darkroom_jobs{model="mini",status="running"}': 0,
        'darkroom_queue_jobs{model="mini",priority="normal"}': 1,
        'darkroom_queue_jobs{model="mini",priority="high"}': 0,
        'darkroom_queue_oldest_seconds{model="mini",priority="high"}': 0,
        'darkroom_jobs_ended_total{model="mini",result="canceled"}': 1,
        'darkroom_jobs_ended_total{model="mini",result="succeeded"}': 0,
        'darkroom_requeues_total{model="mini",reason="worker_lost"}': 0,
        'darkroom_stale_commits_total{model="mini"}': 0,
    }
    told = samples(metrics.text)
    assert told.items() >= expected.items()
    assert 0 < told['darkroom_queue_oldest_seconds{model="mini",priority="normal"}'] < 60


def test_requests_are_counted_by_the_template_of_their_route(http: httpx.Client) -> None:
    counted = 'darkroom_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"}'
    before = samples(http.get("/metrics").text).get(counted, 0)

    http.get("/v1/jobs/first")
    http.get("/v1/jobs/second")
    http.request("PROPFIND", "/coffee/one")

    after = samples(http.get("/metrics").text)
    assert after[counted] == before + 2
    assert 'darkroom_http_requests_total{method="other",route="unmatched",status="404"}' in after
    assert not any("first" in name or "coffee" in name or "BREW" in name for name in after)


def test_every_answer_has_a_request_id_and_a_callers_own_is_kept(http: httpx.Client) -> None:
    own = http.get("/livez", headers={"x-request-id": "abc-123.x"})
    odd = http.get("/livez", headers={"x-request-id": "a b\t<script>"})
    first, second = http.get("/livez"), http.get("/nothing")

    assert own.headers["x-request-id"] == "abc-123.x"
    assert re.fullmatch("[0-9a-f]{32}", odd.headers["x-request-id"])
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_metrics_can_be_kept_from_the_network(http_with: Callable[..., httpx.Client]) -> None:
    http = http_with(metrics=False)

    assert http.get("/metrics").status_code == 404
    assert http.get("/livez").status_code == 200


def test_the_api_describes_itself(http: httpx.Client) -> None:
    described = http.get("/openapi.json").json()

    assert http.get("/docs").status_code == 200
    body = described["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/GenerationRequest"}
    errors = described["paths"]["/v1/jobs"]["post"]["responses"]["default"]["content"]
    assert errors["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}


def samples(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}
