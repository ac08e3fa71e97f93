import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import redis.asyncio
from fastapi import Request
from redis import Redis

from app.auth import Caller, Doorkeeper
from app.contract.errors import KeyInvalid
from app.contract.keys import Scope
from app.contract.links import Links
from app.contract.settings import Settings
from tests.app.finished import finish
from tests.app.key_holders import make_key, revoke
from tests.app.processes import wait_until
from tests.app.test_problems import assert_problem

Start = Callable[..., httpx.Client]
PICTURE = b"\x89PNG and so on"
CAT = {"prompt": "a cat"}


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.MEMORY_S", 0.3)


def test_without_any_key_the_api_is_open_on_loopback(http_with: Start) -> None:
    http = http_with()

    assert http.post("/v1/jobs", json=CAT).status_code == 202
    assert http.post("/v1/jobs", json=CAT, headers={"authorization": "Bearer unused"}).status_code == 202


def test_the_first_key_closes_the_api_for_everyone_else(http_with: Start, redis_url: str) -> None:
    http = http_with()
    assert http.get("/v1/jobs/any").status_code == 404

    _, header = make_key(redis_url)

    wait_until(lambda: http.get("/v1/jobs/any").status_code == 401)
    assert http.get("/v1/jobs/any", headers=header).status_code == 404


def test_the_api_stays_closed_when_its_last_key_is_revoked(http_with: Start, redis_url: str) -> None:
    http = http_with()
    key, header = make_key(redis_url)
    assert http.get("/v1/models", headers=header).status_code == 200

    revoke(redis_url, key)

    wait_until(lambda: http.get("/v1/models", headers=header).status_code == 401)
    assert_problem(http.get("/v1/models"), 401)


def test_where_others_can_reach_it_the_api_asks_for_a_key_that_does_not_exist_yet(http_with: Start) -> None:
    http = http_with(host="0.0.0.0")  # noqa: S104 - the server of this test listens on loopback all the same

    assert_problem(http.get("/v1/models"), 401)
    assert http.get("/livez").status_code == 200


def test_a_server_that_listens_elsewhere_than_it_was_told_is_not_open(redis_url: str, tmp_path: Path) -> None:
    settings = Settings(redis_url=redis_url, state_dir=tmp_path)  # it is to listen on 127.0.0.1

    async def called_at(*address: object) -> Caller:
        scope = {"type": "http", "path": "/v1/models", "headers": [], "query_string": b"", "server": address}
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            return await Doorkeeper(client, settings).identify(Request(scope))

    assert asyncio.run(called_at("127.0.0.1", 80)) == Caller()
    assert asyncio.run(called_at("/run/api.sock", None)) == Caller()
    with pytest.raises(KeyInvalid):
        asyncio.run(called_at("10.0.0.5", 80))


def test_who_opens_the_api_on_purpose_needs_no_key(http_with: Start, redis_url: str) -> None:
    make_key(redis_url)

    http = http_with(host="0.0.0.0", auth="open")  # noqa: S104

    assert http.post("/v1/jobs", json=CAT).status_code == 202


def test_a_scope_opens_what_it_is_for(http_with: Start, redis_url: str) -> None:
    http = http_with()
    _, reader = make_key(redis_url, scopes=[Scope.READ], tenant="one")
    _, sender = make_key(redis_url, scopes=[Scope.SUBMIT], tenant="one")

    sent = http.post("/v1/jobs", json=CAT, headers=sender)
    path = sent.headers["location"]

    assert http.get(path, headers=reader).json()["id"] == sent.json()["id"]
    for refused in (http.get(path, headers=sender), http.post(f"{path}/cancel", headers=reader)):
        assert assert_problem(refused, 403)["code"] == "scope_missing"
    assert http.post(f"{path}/cancel", headers=sender).json()["status"] == "canceled"


def test_a_key_is_read_from_redis_once_for_many_requests(
    http_with: Start, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.auth.MEMORY_S", 60)
    http = http_with()
    _, header = make_key(redis_url)
    assert http.get("/v1/models/mini", headers=header).status_code == 200
    asked = redis.info("commandstats")["cmdstat_hgetall"]["calls"]

    for _ in range(20):
        assert http.get("/v1/models/mini", headers=header).status_code == 200

    assert redis.info("commandstats")["cmdstat_hgetall"]["calls"] == asked


def test_a_picture_of_a_key_holder_has_an_address_that_opens_without_the_key(
    http_with: Start, redis_url: str, redis: Redis, tmp_path: Path
) -> None:
    http = http_with()
    key, header = make_key(redis_url)
    job = http.post("/v1/jobs", json=CAT, headers=header).json()
    finish(redis, f"{key.tenant}_{job['id']}", tmp_path / "images", [PICTURE])

    [image] = http.get(job["urls"]["self"], headers=header).json()["images"]

    opened = http.get(image["url"])
    assert (opened.status_code, opened.content) == (200, PICTURE)
    path, query = image["url"].split("?")
    assert assert_problem(http.get(path), 401)["code"] == "invalid_api_key"
    assert assert_problem(http.get(f"{path}?{query}x"), 403)["code"] == "link_invalid"
    assert assert_problem(http.get(f"/v1/models?{query}"), 403)["code"] == "link_invalid"
    assert assert_problem(http.post(f"{path}?{query}"), 405)
    assert http.get(path, headers=header).content == PICTURE


def test_a_link_opens_wherever_the_application_is_mounted(redis_url: str, tmp_path: Path) -> None:
    settings = Settings(redis_url=redis_url, state_dir=tmp_path, auth="keys", signing_secret="s" * 32)
    path, query = Links(b"s" * 32, lifetime_s=3600).sign("/v1/jobs/cat/images/0", "one").split("?")

    async def called_at(path: str, root_path: str) -> Caller:
        scope = {"type": "http", "path": path, "root_path": root_path, "headers": [], "query_string": query.encode()}
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            return await Doorkeeper(client, settings).identify(Request(scope))

    assert asyncio.run(called_at(path, "")) == asyncio.run(called_at(f"/pictures{path}", "/pictures"))


def test_a_link_that_is_over_is_told_apart_from_a_false_one(http_with: Start, redis_url: str) -> None:
    http = http_with(signing_secret="s" * 32)
    make_key(redis_url)

    link = Links(b"s" * 32, lifetime_s=-3600).sign("/v1/jobs/cat/images/0", "one")

    assert assert_problem(http.get(link), 403)["code"] == "link_expired"
