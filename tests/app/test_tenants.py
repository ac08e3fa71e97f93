"""No tenant learns of another's things: the routes are read from the API's own description."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from app.contract import names
from app.contract.events import EventType
from app.contract.keys import Scope
from app.contract.storage import Storage
from tests.app.finished import finish
from tests.app.key_holders import make_key

PRIVATE = "a cat that nobody else knows of"
FOR_ALL = {"model_id"}  # ids of what every tenant may see
UNKNOWN = {"job_id": "0" * 32, "endpoint_id": f"we_{'1' * 24}", "delivery_id": f"msg_{'2' * 40}"}
Operation = tuple[str, str]


@dataclass(frozen=True)
class Tenant:
    """Someone with a key, and the ids of what he has."""

    http: httpx.Client
    header: dict[str, str]
    ids: dict[str, str]

    def ask(self, method: str, path: str, ids: dict[str, str]) -> httpx.Response:
        body = {"prompt": "another"} if method == "put" else None
        return self.http.request(method, path.format(**ids), headers=self.header, json=body)


@pytest.fixture
def http(http_with: Callable[..., httpx.Client]) -> httpx.Client:
    return http_with(egress_allow="127.0.0.0/8")


@pytest.fixture
def owner(http: httpx.Client, redis: Redis, redis_url: str, tmp_path: Path) -> Tenant:
    """Has one of everything."""
    key, header = make_key(redis_url)
    job = http.post("/v1/jobs", json={"prompt": PRIVATE, "previews": 1}, headers=header).json()
    record_id = names.record_id(key.tenant, job["id"])
    Storage((tmp_path / "images").as_uri()).put(names.preview_key(record_id, 4), b"preview", "image/webp")
    finish(redis, record_id, tmp_path / "images", [b"pixels"])
    redis.xadd(names.events_key(record_id), {"type": EventType.SUCCEEDED, "data": "{}"})
    target = {"url": "http://127.0.0.1/hook"}
    endpoint = http.post("/v1/webhook_endpoints", json=target, headers=header).json()
    delivery = http.post(f"/v1/webhook_endpoints/{endpoint['id']}/test", headers=header).json()
    ids = {"job_id": job["id"], "endpoint_id": endpoint["id"], "delivery_id": delivery["id"], "index": "0", "step": "4"}
    return Tenant(http, header, ids)


@pytest.fixture
def stranger(http: httpx.Client, redis_url: str) -> Tenant:
    return Tenant(http, make_key(redis_url)[1], {})


def operations(http: httpx.Client) -> Iterator[Operation]:
    for path, methods in http.get("/openapi.json").json()["paths"].items():
        if path.startswith("/v1/"):
            yield from ((method, path) for method in methods)


def parameters(path: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", path))


def owned(http: httpx.Client) -> list[Operation]:
    return [each for each in operations(http) if parameters(each[1]) - FOR_ALL]


def told(answer: httpx.Response, ids: dict[str, str]) -> tuple[int, dict[str, Any], dict[str, str]]:
    """The whole answer but for what is of this one request."""
    text = answer.text
    for name, value in ids.items():
        text = text.replace(value, name) if name in UNKNOWN else text
    body = {name: value for name, value in json.loads(text).items() if name not in ("instance", "request_id")}
    headers = {
        name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date", "content-length")
    }
    return answer.status_code, body, headers


def test_the_things_of_another_tenant_are_as_unknown_as_what_never_was(owner: Tenant, stranger: Tenant) -> None:
    asked = [each for each in owned(owner.http) if each[0] != "put"]
    before = {path: owner.ask("get", path, owner.ids).content for method, path in asked if method == "get"}

    for method, path in asked:
        theirs = stranger.ask(method, path, owner.ids)
        unknown = {**owner.ids, **UNKNOWN}

        assert theirs.status_code == 404, (method, path)
        assert told(theirs, owner.ids) == told(stranger.ask(method, path, unknown), unknown), (method, path)

    assert len(asked) >= 10
    assert {path: owner.ask("get", path, owner.ids).content for path in before} == before


def test_the_owner_finds_all_that_the_stranger_does_not(owner: Tenant) -> None:
    for method, path in owned(owner.http):
        if method == "get":
            assert owner.ask(method, path, owner.ids).is_success, path


def test_two_tenants_may_have_jobs_of_one_id(owner: Tenant, stranger: Tenant) -> None:
    for method, path in owned(owner.http):
        if method == "put":
            made = stranger.ask(method, path, owner.ids)

            assert (made.status_code, made.json()["status"]) == (202, "queued")
            assert PRIVATE not in made.text
            [image] = owner.ask("get", path, owner.ids).json()["images"]
            assert stranger.http.get(image["url"]).content == b"pixels"


def test_nothing_of_another_tenant_is_on_any_list(owner: Tenant, stranger: Tenant) -> None:
    lists = [path for method, path in operations(owner.http) if method == "get" and not parameters(path)]

    for path in lists:
        answer = stranger.ask("get", path, {})

        assert answer.status_code == 200, path
        for secret in (PRIVATE, *(owner.ids[name] for name in UNKNOWN)):
            assert secret not in answer.text, path
    assert len(lists) >= 4


def test_a_key_without_the_admin_scope_sees_no_webhook_endpoint(owner: Tenant, redis_url: str) -> None:
    user = Tenant(owner.http, make_key(redis_url, scopes=[Scope.READ, Scope.SUBMIT])[1], {})

    ids = {**owner.ids, "model_id": "mini"}
    asked = list(operations(owner.http))
    refused = [each for each in asked if user.ask(*each, ids).status_code == 403]

    assert refused == [(method, path) for method, path in asked if "webhook" in path]


def test_no_field_of_a_record_can_be_set_from_outside(owner: Tenant, redis: Redis) -> None:
    before = set(redis.scan_iter("rq:job:*"))

    for field in ("id", "tenant", "status", "attempt", "created_at", "record_id", "is_replayed", "key", "__proto__"):
        job = {"prompt": "a cat", field: "mine"}
        form = {"request": (None, json.dumps(job), "application/json")}
        endpoint = {"url": "http://127.0.0.1/hook", field: "mine"}
        answers = [
            owner.http.post("/v1/jobs", json=job, headers=owner.header),
            owner.http.put("/v1/jobs/mine", json=job, headers=owner.header),
            owner.http.post("/v1/jobs", json={"prompt": "a cat", "output": {field: "mine"}}, headers=owner.header),
            owner.http.post("/v1/jobs", files=form, headers=owner.header),
            owner.http.post("/v1/webhook_endpoints", json=endpoint, headers=owner.header),
        ]

        for answer in answers:
            assert answer.status_code == 422, answer.text
            assert field in answer.json()["errors"][0]["field"]

    assert set(redis.scan_iter("rq:job:*")) == before
