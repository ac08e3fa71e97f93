"""Two hundred and more pictures against a process of the API and the decoder of a worker."""

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from app.contract.errors import InvalidImage
from app.contract.generation import Generation
from app.contract.storage import Storage
from app.listener import address_of, listen
from tests import broken_pictures, decoders, picture_files
from tests.app.pictures.test_inspection import MUTATIONS, mutated
from tests.broken_pictures import Fate, Sent
from tests.service.conftest import Service
from worker import inputs
from worker.decoding import Decoder

ROOT = Path(__file__).parents[2]
MOST_BYTES = 200 * 1024 * 1024
TOLERANCE = 3.0  # of 255, on average; lossy files


@pytest.fixture(scope="module")
def api(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Api"]:
    folder = tmp_path_factory.mktemp("api")
    environment = {**os.environ, "DARKROOM_REDIS_URL": redis_server, "DARKROOM_STORAGE_URL": folder.as_uri()}
    with listen("127.0.0.1", 0) as listener:
        command = [sys.executable, "-m", "app.server", str(listener.fileno())]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[listener.fileno()])
        url = address_of(listener)
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        yield Api(http, process.pid, Storage(folder.as_uri()))
    process.kill()
    process.wait()


class Api:
    """A process of the API, where its pictures are, and the decoder that a worker would have."""

    def __init__(self, http: httpx.Client, pid: int, storage: Storage) -> None:
        self.http, self.pid, self.storage = http, pid, storage
        self.decoder = Decoder(processes=1)
        self.others = decoders.programs()  # decoders that tests before these have left

    def outcome(self, sent: Sent, form: int) -> Image.Image | str:
        """What became of a picture that was sent, in one of three forms: itself, or who refused it."""
        answer = self.http.post("/v1/jobs", **_forms(sent)[form])
        if answer.status_code != 202:
            problem = answer.json()
            assert answer.status_code == 422, answer.text
            assert [each["field"] for each in problem["errors"]] == ["image"]
            assert problem["detail"].endswith(".")
            return "refused"
        job = answer.json()
        try:
            return inputs.read(Generation(**job["request"]), job["id"], self.storage, self.decoder).image[0]
        except InvalidImage:
            return "not decoded"


def _forms(sent: Sent) -> list[dict[str, Any]]:
    """As a file in a form, as a data URL and, if it has no name for itself, as base64 alone."""
    body, text = {"prompt": "a cat"}, b64encode(sent.content).decode()
    file = ("picture", sent.content, sent.content_type or "application/octet-stream")
    return [
        {"files": [("request", (None, json.dumps(body))), ("image", file)]},
        {"json": {**body, "image": f"data:{sent.content_type};base64,{text}"}},
        {"json": {**body, "image": f"data:{sent.content_type};base64,{text}" if sent.content_type else text or "="}},
    ]


def most_memory(pid: int) -> int:
    """The largest resident size that the process ever had, in bytes."""
    [line] = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_every_broken_picture_is_refused_or_right_and_costs_little(api: Api, redis_url: str) -> None:  # noqa: ARG001
    pictures = broken_pictures.two_hundred()
    assert len(pictures) >= 200

    outcomes = {name: api.outcome(sent, n % 3) for n, (name, sent) in enumerate(pictures.items())}

    for fate in Fate:
        for name in (each for each, sent in pictures.items() if sent.fate is fate):
            outcome = outcomes[name]
            if fate is Fate.REFUSED:
                assert outcome == "refused", name
            elif fate is Fate.RIGHT:
                assert isinstance(outcome, Image.Image), name
                difference = ImageChops.difference(outcome, picture_files.scene())
                assert max(ImageStat.Stat(difference).mean) < TOLERANCE, name
    [decoder] = decoders.programs() - api.others
    assert most_memory(api.pid) < MOST_BYTES
    assert most_memory(decoder.pid) < MOST_BYTES


def test_a_picture_that_only_the_decoder_finds_broken_fails_its_job_by_its_field(service: Service) -> None:
    sound, broken = picture_files.encoded(picture_files.scene()), broken_pictures.undecodable()
    body = json.dumps({"prompt": "a cat", "num_inference_steps": 2})

    jobs = [
        service.ended(service.http.post("/v1/jobs", files=[("request", (None, body)), *files]).json()["id"])
        for files in ([("image", broken)], [("image", sound), ("mask", broken)], [("image", sound), ("mask", sound)])
    ]

    assert [job["error"] and (job["error"]["code"], job["error"]["message"]) for job in jobs] == [
        ("invalid_image", "image: The picture cannot be decoded."),
        ("invalid_image", "mask: The picture cannot be decoded."),
        None,
    ]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(picture_files.valid())),
    mutations=st.lists(MUTATIONS, max_size=6),
    form=st.integers(0, 2),
)
def test_no_picture_makes_the_api_or_the_decoder_fail(
    api: Api,
    redis_url: str,  # noqa: ARG001
    name: str,
    mutations: list[tuple[str, int, int]],
    form: int,
) -> None:
    content = mutated(picture_files.valid()[name], mutations)

    outcome = api.outcome(Sent(content, Fate.EITHER), form)

    assert isinstance(outcome, Image.Image) or (outcome in {"refused", "not decoded"} and mutations)
