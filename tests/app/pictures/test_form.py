"""Forms over real HTTP."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from app.contract.storage import FOLDER
from tests.app.finished import fetch
from tests.app.test_problems import assert_problem
from tests.picture_files import encoded, scene

PNG, JPEG, MASK = encoded(scene()), encoded(scene(), "JPEG"), encoded(scene().convert("L"))
BODY = {"prompt": "a cat", "width": 64, "height": 64, "seed": 1}
FORM = {"content-type": "multipart/form-data; boundary=b"}


def parts(*files: tuple[str, Any], body: object = BODY) -> list[tuple[str, Any]]:
    return [("request", (None, json.dumps(body))), *files]


def test_a_form_makes_the_same_job_as_json_and_stores_its_files(http: httpx.Client, redis: Redis, images: Path) -> None:
    files = parts(("image", ("cat.jpg", JPEG, "image/jpeg")), ("mask", ("mask.png", MASK)))

    answer = http.post("/v1/jobs", files=files)

    job = answer.json()
    assert answer.status_code == 202, answer.text
    [image], mask = job["request"]["image"], job["request"]["mask"]
    assert (image["content_type"], image["width"], mask["is_alpha"]) == ("image/jpeg", 64, False)
    folder = images / FOLDER / job["id"] / "inputs"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {image["sha256"]: JPEG, mask["sha256"]: MASK}
    [generation] = fetch(redis, job["id"]).args
    assert (generation["image"], generation["mask"]) == ([image], mask)


@pytest.mark.parametrize(
    "request_part", [("request.json", json.dumps(BODY), "application/json"), (None, json.dumps(BODY))]
)
def test_the_json_may_be_a_field_or_a_file(http: httpx.Client, request_part: Any) -> None:
    answer = http.put("/v1/jobs/mine", files=[("request", request_part), ("image[]", ("a.png", PNG))])

    assert answer.status_code == 202
    assert len(answer.json()["request"]["image"]) == 1


def test_a_form_may_wait_for_its_job(http: httpx.Client) -> None:
    answer = http.post("/v1/jobs", files=parts(("image", ("a.png", PNG))), headers={"Prefer": "wait=1"})

    assert (answer.status_code, answer.json()["status"]) == (202, "queued")


def test_a_form_without_files_is_a_job_without_pictures(http: httpx.Client) -> None:
    assert http.post("/v1/jobs", files=parts()).json()["request"]["image"] == []


@pytest.mark.parametrize(
    ("files", "field"),
    [
        ([("image", ("a.png", PNG))], "request"),
        (parts(("request", (None, "{}"))), "request"),
        (parts(("picture", ("a.png", PNG))), "form"),
        (parts(("image", (None, "text"))), "form"),
        (parts(("mask", ("a.png", PNG)), ("mask", ("b.png", PNG))), "mask"),
        (parts(("image", ("a.png", b"GIF89a"))), "image"),
        (parts(("image", ("a.png", PNG)), ("image", ("b.png", PNG))), "image"),
        (parts(("image", ("a.png", PNG)), ("mask", ("m.png", encoded(scene((64, 64)))))), "mask"),
        (parts(("image", ("a.png", PNG, "image/webp"))), "image"),
        (parts(body={**BODY, "steps": 3}), "steps"),
        (parts(body=[]), ""),
    ],
)
def test_what_is_wrong_in_a_form_is_named(http: httpx.Client, redis: Redis, files: Any, field: str) -> None:
    problem = assert_problem(http.post("/v1/jobs", files=files), 422)

    assert [each["field"] for each in problem["errors"]] == [field]
    assert not redis.keys()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no form",
        b"--b",
        b"--b--",
        b"--b\r\n\r\n\r\n--b--",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; name="request"\r\n\r\n{"prompt": "a cat"}',
        b'--b\r\nContent-Disposition: form-data; name="request"\r\n\r\n{"prompt": \r\n--b--',
        b'--b\r\nContent-Disposition: form-data; name="request"\r\n\r\n\xff\xfe\r\n--b--',
        b'--b\r\nContent-Disposition: form-data; name="\xff"; filename="\xff"\r\n\r\nx\r\n--b--',
        b"".join(b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nx\r\n' for _ in range(99)),
        b"".join(b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' for _ in range(99)),
        b'--b\r\nContent-Disposition: form-data; name="request"\r\n\r\n' + b" " * 1_100_000 + b"\r\n--b--",
    ],
)
def test_a_broken_form_is_refused(http: httpx.Client, content: bytes) -> None:
    answer = http.post("/v1/jobs", content=content, headers=FORM)

    assert answer.status_code in {400, 422}, answer.text
    assert_problem(answer, answer.status_code)


@pytest.mark.parametrize(
    "announced", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=b"]
)
def test_a_form_without_a_boundary_is_refused(http: httpx.Client, announced: str) -> None:
    answer = http.post("/v1/jobs", content=b"--b--", headers={"content-type": announced})

    assert_problem(answer, 415 if "mixed" in announced else 400)


def test_a_form_that_is_too_large_is_a_413(http_with: Callable[..., httpx.Client]) -> None:
    http = http_with(max_body_bytes=10_000)

    answer = http.post("/v1/jobs", files=parts(("image", ("a.png", bytes(20_000)))))

    assert assert_problem(answer, 413)["code"] == "body_too_large"
