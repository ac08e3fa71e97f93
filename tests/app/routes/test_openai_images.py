import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from redis import Redis
from rq.job import Job

from app.contract.errors import OutOfMemory
from tests.app.key_holders import make_key
from tests.app.painter import Painter
from tests.app.processes import wait_until
from tests.picture_files import encoded

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
CAT: dict[str, Any] = {"prompt": "a cat"}
RETRY = {"x-stainless-retry-count": "1"}
PICTURES = b"\x89PNG one", b"\x89PNG two"


def png(mode: str = "RGB") -> bytes:
    return encoded(Image.new(mode, (64, 64)))


@pytest.fixture
def painter(redis: Redis, images: Path) -> Painter:
    return Painter(redis, images)


@pytest.fixture
def asking() -> Iterator[ThreadPoolExecutor]:
    """Asks and waits, while the test does something else."""
    with ThreadPoolExecutor(8) as executor:
        yield executor


Asked = Future[httpx.Response]


@pytest.fixture
def ask(http: httpx.Client, asking: ThreadPoolExecutor) -> Callable[..., Asked]:
    def ask(body: dict[str, Any] = CAT, **headers: str) -> Asked:
        return asking.submit(http.post, GENERATIONS, json=body, headers=headers, timeout=30)

    return ask


def jobs(redis: Redis) -> list[str]:
    return [key.decode().removeprefix(Job.redis_job_namespace_prefix) for key in redis.scan_iter("rq:job:*")]


def has_jobs(redis: Redis, number: int) -> bool:
    return len(jobs(redis)) == number


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = answer.text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def test_the_pictures_are_the_answer(ask: Callable[..., Asked], painter: Painter) -> None:
    asked = ask({**CAT, "n": 2, "quality": "low", "style": "vivid"})
    claim = painter.take()
    painter.paint(claim, *PICTURES, warnings=("prompt: it was cut.",))

    answer = asked.result()

    assert answer.status_code == 200
    told = answer.json()
    assert [base64.b64decode(each["b64_json"]) for each in told["data"]] == list(PICTURES)
    assert [each["seed"] for each in told["data"]] == [7, 8]
    assert told["created"] > 1_700_000_000
    assert (told["size"], told["quality"], told["output_format"], told["background"]) == (
        "128x128",
        "low",
        "png",
        "opaque",
    )
    assert told["usage"]["total_tokens"] == told["usage"]["input_tokens_details"]["text_tokens"] == 0
    assert told["warnings"] == ["style: has no effect.", "prompt: it was cut."]
    assert told["job_id"] == claim.job_id
    assert claim.generation.num_inference_steps == 10


def test_pictures_come_by_their_address_if_that_is_asked_for(
    ask: Callable[..., Asked], painter: Painter, http: httpx.Client
) -> None:
    asked = ask({**CAT, "response_format": "url"})
    painter.paint(painter.take(), PICTURES[0])

    [picture] = asked.result().json()["data"]

    assert "b64_json" not in picture
    assert picture["url"].startswith(str(http.base_url))
    assert http.get(picture["url"]).content == PICTURES[0]


def test_where_keys_are_in_force_the_address_needs_none(
    http_with: Callable[..., httpx.Client], asking: ThreadPoolExecutor, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    http = http_with(auth="keys", storage_url=tmp_path.as_uri())
    _, header = make_key(redis_url)
    asked = asking.submit(http.post, GENERATIONS, json={**CAT, "response_format": "url"}, headers=header, timeout=30)
    painter = Painter(redis, tmp_path)
    painter.paint(painter.take(), PICTURES[0])

    [picture] = asked.result().json()["data"]

    assert http.get(picture["url"]).content == PICTURES[0]
    assert http.get(picture["url"].partition("?")[0]).status_code == 401


def test_a_job_that_fails_is_told_with_its_reason_and_not_tried_again(
    ask: Callable[..., Asked], painter: Painter
) -> None:
    asked = ask()
    painter.fail(painter.take(), OutOfMemory("It does not fit."))

    answer = asked.result()

    assert (answer.status_code, answer.headers["x-should-retry"]) == (500, "false")
    assert answer.json()["error"] == {
        "message": "It does not fit.",
        "type": "server_error",
        "param": None,
        "code": "out_of_memory",
    }


def test_a_canceled_job_is_a_conflict(ask: Callable[..., Asked], painter: Painter, http: httpx.Client) -> None:
    asked = ask()
    http.post(f"/v1/jobs/{painter.take().job_id}/cancel")

    answer = asked.result()

    assert (answer.status_code, answer.headers["x-should-retry"]) == (409, "false")
    assert answer.json()["error"]["code"] == "job_canceled"


def test_who_has_waited_long_enough_is_asked_to_come_again_and_gets_the_same_job(
    http_with: Callable[..., httpx.Client], redis: Redis, tmp_path: Path
) -> None:
    http = http_with(openai_wait_s=0.1, storage_url=tmp_path.as_uri())

    answer = http.post(GENERATIONS, json=CAT)

    assert (answer.status_code, answer.headers["x-should-retry"]) == (504, "true")
    painter = Painter(redis, tmp_path)
    painter.paint(painter.take(), PICTURES[0])
    again = http.post(GENERATIONS, json=CAT, headers=RETRY)
    assert base64.b64decode(again.json()["data"][0]["b64_json"]) == PICTURES[0]
    assert jobs(redis) == [again.json()["job_id"]]


def test_a_full_queue_says_when_to_come_again(http_with: Callable[..., httpx.Client]) -> None:
    http = http_with(max_queued=1)
    http.post("/v1/jobs", json=CAT)

    answer = http.post(GENERATIONS, json=CAT)

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]["code"] == "queue_full"


def test_a_key_names_the_job(ask: Callable[..., Asked], painter: Painter, redis: Redis) -> None:
    asked = [ask(**{"Idempotency-Key": "mine"}) for _ in range(2)]
    painter.paint(painter.take(), PICTURES[0])

    ids = {each.result().json()["job_id"] for each in asked}

    assert ids == set(jobs(redis))
    other = ask({"prompt": "a dog"}, **{"Idempotency-Key": "mine"}).result()
    assert (other.status_code, other.json()["error"]["code"]) == (422, "job_conflict")


def test_a_job_whose_client_has_gone_is_canceled_if_it_does_not_come_again(
    http_with: Callable[..., httpx.Client], redis: Redis
) -> None:
    http = http_with(openai_reattach_s=0.2)

    for body in (CAT, {**CAT, "stream": True}):
        wanted = len(jobs(redis)) + 1
        with closing(HTTPConnection(http.base_url.netloc.decode())) as connection:
            connection.request("POST", GENERATIONS, json.dumps(body), {"content-type": "application/json"})
            wait_until(partial(has_jobs, redis, wanted))

    left = jobs(redis)
    wait_until(lambda: {http.get(f"/v1/jobs/{job}").json()["status"] for job in left} == {"canceled"})


@pytest.mark.parametrize(
    ("fields", "status", "param", "code"),
    [
        ({}, 400, "prompt", "missing_required_parameter"),
        ({**CAT, "model": "dall-e-3"}, 404, "model", "model_not_found"),
        ({**CAT, "size": "1x1"}, 400, "size", "invalid_value"),
        ({**CAT, "size": "64x8192"}, 400, "size", "invalid_value"),
        ({**CAT, "n": 9}, 400, "n", "invalid_value"),
        ({**CAT, "frames": 2}, 400, "frames", "unknown_parameter"),
        ({**CAT, "background": "transparent"}, 400, "background", "invalid_value"),
        ({**CAT, "loras": [{"name": 1}]}, 400, "loras.0.name", "invalid_value"),
    ],
)
def test_what_is_wrong_is_named_as_openai_does(
    http: httpx.Client, redis: Redis, fields: dict[str, Any], status: int, param: str, code: str
) -> None:
    answer = http.post(GENERATIONS, json=fields)

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
    assert error["type"] == "invalid_request_error"
    assert jobs(redis) == []


def test_a_stream_tells_as_many_partial_images_as_were_made_and_then_each_picture(
    ask: Callable[..., Asked], painter: Painter
) -> None:
    asked = ask({**CAT, "n": 2, "stream": True, "partial_images": 2})
    claim = painter.take()
    for step, picture in ((5, b"fog"), (5, b"fog"), (10, b"shapes")):
        painter.preview(claim, step, picture)
    painter.paint(claim, *PICTURES)

    told = events(asked.result())

    assert asked.result().headers["content-type"].startswith("text/event-stream")
    kinds = ["image_generation.partial_image"] * 2 + ["image_generation.completed"] * 2
    assert [each["type"] for each in told] == kinds
    assert [base64.b64decode(each["b64_json"]) for each in told] == [b"fog", b"shapes", *PICTURES]
    assert [each["partial_image_index"] for each in told[:2]] == [0, 1]
    assert [each["output_format"] for each in told] == ["webp", "webp", "png", "png"]
    assert all(each["usage"]["total_tokens"] == 0 for each in told[2:])
    assert claim.generation.previews == 2


def test_what_goes_wrong_in_a_stream_is_its_last_event(ask: Callable[..., Asked], painter: Painter) -> None:
    asked = ask({**CAT, "stream": True})
    painter.fail(painter.take(), OutOfMemory("It does not fit."))

    [told] = events(asked.result())

    assert told["error"]["code"] == "out_of_memory"


@pytest.mark.parametrize("name", ["image", "image[]"])
def test_an_edit_takes_its_pictures_from_a_form(
    http: httpx.Client, asking: ThreadPoolExecutor, painter: Painter, name: str
) -> None:
    files = [(name, ("a.png", png())), ("mask", ("m.png", png("RGBA")))]
    asked = asking.submit(http.post, EDITS, data={**CAT, "n": "1", "strength": "0.5"}, files=files)
    claim = painter.take()
    painter.paint(claim, PICTURES[0])

    answer = asked.result()

    assert answer.status_code == 200, answer.text
    assert (claim.generation.width, claim.generation.height, claim.generation.strength) == (64, 64, 0.5)
    assert [picture.content_type for picture in claim.generation.image] == ["image/png"]
    assert claim.generation.mask
    assert claim.generation.mask.is_alpha


def test_a_form_that_is_sent_again_is_known_by_its_parts(http_with: Callable[..., httpx.Client], redis: Redis) -> None:
    http = http_with(openai_wait_s=0.1)
    files = [("image", ("a.png", png()))]

    for headers in ({}, RETRY):
        assert http.post(EDITS, data=CAT, files=files, headers=headers).status_code == 504

    assert len(jobs(redis)) == 1


@pytest.mark.parametrize(
    ("sent", "status", "param"),
    [
        ({"data": CAT, "files": [("picture", b"")]}, 400, "picture"),
        ({"data": {**CAT, "n": "two"}, "files": [("image", png())]}, 400, "n"),
        ({"data": CAT, "files": [("image", b"GIF89a")]}, 400, "image"),
        ({"data": CAT, "files": [("mask", png("RGBA"))]}, 400, "image"),
        ({"json": CAT}, 415, None),
        ({"content": b"--", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400, "image"),
        ({"content": b"--", "headers": {"content-type": "multipart/form-data"}}, 400, None),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(
    http: httpx.Client, sent: dict[str, Any], status: int, param: str | None
) -> None:
    answer = http.post(EDITS, **sent)

    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
