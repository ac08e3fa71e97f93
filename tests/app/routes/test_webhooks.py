import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import httpx
import pytest
from redis import Redis
from rq.job import Job

from app.contract import names
from app.contract.outbox import QUEUE
from tests.worker.queue.hand import Hand

URL = "https://receiver.example/hook"
ALL = ["job.succeeded", "job.failed", "job.canceled", "job.expired"]
BAD = ["http://receiver.example/", "https://127.0.0.1/", "https://2130706433/", "https://localhost/", "https://a.b:22/"]


@pytest.fixture
def delivered(http: httpx.Client, redis: Redis) -> Callable[..., dict[str, Any]]:
    """Ends a job that wants to be told of it; returns the newest delivery as the API shows it."""

    def end(url: str = URL) -> dict[str, Any]:
        http.post("/v1/jobs", json={"prompt": "a cat", "webhook": {"url": url}}).raise_for_status()
        hand = Hand(redis, "darkroom-hand", ["mini"])
        assert hand.finish(hand.claim()[0])
        delivery: dict[str, Any] = http.get("/v1/webhook_deliveries").json()["data"][0]
        return delivery

    return end


@pytest.fixture
def courier(redis: Redis) -> Iterator[Hand]:
    hand = Hand(redis, "darkroom-courier", [names.DELIVERIES])
    yield hand
    hand.die()


def create(http: httpx.Client, **changes: Any) -> dict[str, Any]:
    answer = http.post("/v1/webhook_endpoints", json={"url": URL, **changes})
    assert answer.status_code == 201
    endpoint: dict[str, Any] = answer.json()
    return endpoint


def test_the_secret_of_an_endpoint_is_shown_once(http: httpx.Client) -> None:
    created = create(http)

    read = http.get(f"/v1/webhook_endpoints/{created['id']}").json()
    [listed] = http.get("/v1/webhook_endpoints").json()["data"]

    assert created.pop("secret").startswith("whsec_")
    assert created == read == listed
    assert (created["url"], created["events"], created["disabled_at"]) == (URL, ALL, None)


def test_a_new_secret_takes_over_from_the_old_one_within_a_day(http: httpx.Client, redis: Redis) -> None:
    created = create(http)

    rotated = http.post(f"/v1/webhook_endpoints/{created['id']}/rotate_secret").json()

    key = names.endpoint_key("open", created["id"])
    kept = cast(dict[bytes, bytes], redis.hgetall(key))
    assert rotated.pop("secret").encode() == kept[b"secret"] != created["secret"].encode()
    assert kept[b"old_secret"] == created.pop("secret").encode()
    assert 86_000 < float(kept[b"old_secret_until"]) - time.time() <= 86_400
    assert rotated == created


def test_the_secret_for_single_jobs_stays_until_it_is_rotated(http: httpx.Client) -> None:
    first, second = (http.get("/v1/webhooks/default/secret").json()["secret"] for _ in range(2))
    rotated = http.post("/v1/webhooks/default/rotate_secret").json()["secret"]

    assert first == second != rotated
    assert http.get("/v1/webhooks/default/secret").json()["secret"] == rotated
    assert http.get("/v1/webhook_endpoints").json()["data"] == []


def test_a_deleted_endpoint_is_gone(http: httpx.Client) -> None:
    path = f"/v1/webhook_endpoints/{create(http)['id']}"

    assert http.delete(path).status_code == 204

    assert http.get("/v1/webhook_endpoints").json()["data"] == []
    for answer in (http.get(path), http.delete(path), *(http.post(f"{path}/{verb}") for verb in ("test", "enable"))):
        assert (answer.status_code, answer.json()["code"]) == (404, "endpoint_not_found")


def test_a_tenant_has_no_more_than_so_many_endpoints(http: httpx.Client) -> None:
    for _ in range(16):
        create(http)

    answer = http.post("/v1/webhook_endpoints", json={"url": URL})

    assert (answer.status_code, answer.json()["code"]) == (409, "endpoints_full")


@pytest.mark.parametrize("url", BAD)
def test_an_address_that_may_not_be_called_is_refused_by_its_field(http: httpx.Client, url: str) -> None:
    endpoint = http.post("/v1/webhook_endpoints", json={"url": url})
    job = http.post("/v1/jobs", json={"prompt": "a cat", "webhook": {"url": url}})

    for answer, field in ((endpoint, "url"), (job, "webhook.url")):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("body", [{}, {"url": URL, "events": []}, {"url": URL, "events": ["job.started"]}, {"url": 5}])
def test_an_endpoint_that_is_not_described_right_is_refused(http: httpx.Client, body: dict[str, Any]) -> None:
    assert http.post("/v1/webhook_endpoints", json=body).status_code == 422


def test_a_delivery_is_shown_with_its_attempts(
    http: httpx.Client, delivered: Callable[..., dict[str, Any]], courier: Hand
) -> None:
    before = delivered()
    [claim] = courier.claim()
    assert courier.fail(claim)

    after = http.get(f"/v1/webhook_deliveries/{before['id']}").json()

    assert (before["status"], before["event"], before["url"]) == ("pending", "job.succeeded", URL)
    assert (before["attempts"], before["endpoint_id"], before["next_attempt_at"]) == ([], None, None)
    assert http.get(f"/v1/jobs/{before['job_id']}").json()["status"] == "succeeded"
    assert after["status"] == "failed"
    assert len(after["attempts"]) == 1
    assert "RuntimeError" in after["attempts"][0]["error"]


@pytest.mark.parametrize("registry", ["failed", "finished", "scheduled"])
def test_a_delivery_is_repeated_at_once_under_its_id_whatever_became_of_it(
    http: httpx.Client, redis: Redis, delivered: Callable[..., dict[str, Any]], courier: Hand, registry: str
) -> None:
    delivery_id = delivered()["id"]
    courier.claim()
    job = Job.fetch(delivery_id, connection=redis, serializer="json")
    redis.delete(f"rq:wip:{QUEUE}")
    redis.zadd(f"rq:{registry}:{QUEUE}", {delivery_id: time.time() + 60})
    redis.hset(job.key, mapping=cast(Any, {"status": registry, "darkroom_attempt": 8, "darkroom_deaths": 2}))
    redis.expire(job.key, 60)

    answer = http.post(f"/v1/webhook_deliveries/{delivery_id}/replay")
    http.post(f"/v1/webhook_deliveries/{delivery_id}/replay")

    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert redis.ttl(job.key) == -1
    assert redis.zcard(f"rq:{registry}:{QUEUE}") == 0
    [claim] = courier.claim(5)
    assert (claim.job_id, claim.attempt, claim.deaths) == (delivery_id, 1, 0)


def test_a_test_event_goes_the_way_of_the_others(http: httpx.Client, courier: Hand) -> None:
    endpoint = create(http)

    tested = http.post(f"/v1/webhook_endpoints/{endpoint['id']}/test")

    assert tested.status_code == 202
    shown = tested.json()
    assert (shown["event"], shown["job_id"], shown["endpoint_id"]) == ("webhook.test", None, endpoint["id"])
    assert courier.claim_ids() == [shown["id"]]


def test_deliveries_are_listed_page_by_page_the_newest_first(
    http: httpx.Client, delivered: Callable[..., dict[str, Any]]
) -> None:
    create(http)
    ids = {delivered()["id"] for _ in range(3)} | {delivered()["id"]}

    pages, cursor = [], None
    while True:
        query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = http.get("/v1/webhook_deliveries", params=query).json()
        pages.append(page["data"])
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break

    listed = [delivery for page in pages for delivery in page]
    assert [len(page) for page in pages] == [3, 3, 2]
    assert len({delivery["id"] for delivery in listed}) == 8
    assert ids <= {delivery["id"] for delivery in listed}
    assert [each["created_at"] for each in listed] == sorted((each["created_at"] for each in listed), reverse=True)


def test_deliveries_are_listed_by_their_status(
    http: httpx.Client, delivered: Callable[..., dict[str, Any]], courier: Hand
) -> None:
    dead, _ = delivered(), delivered()
    assert courier.fail(courier.claim()[0])

    failed = http.get("/v1/webhook_deliveries", params={"status": "failed"}).json()["data"]

    assert [delivery["id"] for delivery in failed] == [dead["id"]]
    assert len(http.get("/v1/webhook_deliveries", params={"status": "pending"}).json()["data"]) == 1
    assert http.get("/v1/webhook_deliveries", params={"status": "delivered"}).json()["data"] == []


def test_metrics_tell_how_many_webhooks_wait_and_how_many_were_given_up(
    http: httpx.Client, delivered: Callable[..., dict[str, Any]], courier: Hand
) -> None:
    for _ in range(3):
        delivered()
    assert courier.fail(courier.claim()[0])
    courier.claim()

    told = http.get("/metrics").text

    assert 'darkroom_webhook_deliveries{status="pending"} 2.0' in told
    assert 'darkroom_webhook_deliveries{status="failed"} 1.0' in told


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"limit": 0}, {"limit": 101}, {"status": "lost"}])
def test_a_list_that_cannot_be_had_is_refused(http: httpx.Client, query: dict[str, Any]) -> None:
    assert http.get("/v1/webhook_deliveries", params=query).status_code == 422


def test_another_tenants_delivery_is_not_found(
    http: httpx.Client, redis: Redis, delivered: Callable[..., dict[str, Any]]
) -> None:
    delivery_id = delivered()["id"]
    redis.hset(Job.key_for(delivery_id), "darkroom_tenant", "acme")

    for answer in (
        http.get(f"/v1/webhook_deliveries/{delivery_id}"),
        http.post(f"/v1/webhook_deliveries/{delivery_id}/replay"),
        http.get(f"/v1/jobs/{delivery_id}"),
    ):
        assert answer.status_code == 404
    assert http.get("/v1/webhook_deliveries").json()["data"] == []
