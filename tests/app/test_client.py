import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from app.client import Client, GenerationStopped, Unreachable
from app.contract.job import Job, JobStatus
from app.contract.limits import Limits
from app.contract.storage import Storage
from tests.app.contract.object_stores import at_object_server
from tests.app.finished import finish
from tests.app.key_holders import make_key

Answering = Callable[..., Client]
Start = Callable[..., httpx.Client]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Starts a server that gives these answers in turn, the last one again and again; gives its client."""
    with ExitStack() as stack:

        def start(*answers: tuple[int, str]) -> Client:
            left = list(answers)

            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    status, body = left.pop(0) if len(left) > 1 else left[0]
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body.encode())

                def log_message(self, *_words: Any) -> None: ...

            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            threading.Thread(target=server.serve_forever, args=[0.02]).start()
            stack.callback(server.shutdown)
            return Client(f"http://127.0.0.1:{server.server_port}")

        yield start


@pytest.fixture
def job(http: httpx.Client) -> Job:
    return Job.model_validate(http.post("/v1/jobs", json={"prompt": "a cat"}).json())


PROBLEM = json.dumps({"errors": [], "detail": "Redis does not answer."})


def test_a_service_that_is_away_for_a_moment_is_asked_again(answering: Answering, job: Job) -> None:
    done = job.model_copy(update={"status": JobStatus.SUCCEEDED})
    client = answering((503, PROBLEM), (503, "<html>"), (200, done.model_dump_json()))

    assert client.wait(job, 20, lambda _job: None) == done


def test_a_service_that_stays_away_is_told(answering: Answering, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.client.AWAY_S", 0.2)

    with pytest.raises(Unreachable, match="Redis does not answer"):
        answering((503, PROBLEM)).wait(job, 20, lambda _job: None)


@pytest.mark.parametrize(
    "answer",
    [
        (200, "hello"),
        (200, "{}"),
        (200, "[]"),
        (302, ""),
        (404, "{}"),
        (404, "[]"),
        (422, '{"errors": [1]}'),
        (502, "<html>"),
    ],
)
def test_another_service_is_told_in_a_sentence(answering: Answering, answer: tuple[int, str]) -> None:
    client = answering(answer)

    for ask in (lambda: client.find("mine"), client.warm_models):
        with pytest.raises(GenerationStopped, match=r"does not answer as a Darkroom does \(status \d+\)\.$"):
            ask()


def test_a_key_is_sent_with_every_request_and_the_pictures_of_its_job_arrive(
    http_with: Start, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    url = str(http_with().base_url)
    key, header = make_key(redis_url)
    text = header["authorization"].removeprefix("Bearer ") + "\n"  # as it is read from a file

    with Client(url, text) as client, Client(url) as stranger:
        job = client.submit({"prompt": "a cat"})
        finish(redis, f"{key.tenant}_{job.id}", tmp_path / "images", [b"pixels"])

        [image] = client.wait(job, 20, lambda _job: None).images
        assert client.image(image) == b"pixels"
        with pytest.raises(GenerationStopped, match="Send an API key"):
            stranger.find(job.id)


def test_what_cannot_be_a_key_is_not_sent() -> None:
    with pytest.raises(GenerationStopped, match="no API key"):
        Client("http://127.0.0.1:1", "ключ")


def test_a_poller_that_is_too_fast_for_its_key_waits(
    http_with: Start, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    http = http_with()
    key, header = make_key(redis_url, Limits(requests_per_minute=60))

    with Client(str(http.base_url), header["authorization"].removeprefix("Bearer ")) as client:
        job = client.submit({"prompt": "a cat"})
        finish(redis, f"{key.tenant}_{job.id}", tmp_path / "images", [])
        while http.get("/v1/models", headers=header).status_code != 429:
            pass

        assert client.wait(job, 20, lambda _job: None).status is JobStatus.SUCCEEDED


def test_a_picture_that_the_storage_gives_itself_arrives(
    http_with: Start, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_object_server("s3", monkeypatch) as server:
        http = http_with(storage_url="s3://bucket", redirect_images=True)
        with Client(str(http.base_url)) as client:
            job = client.submit({"prompt": "a cat"})
            finish(redis, job.id, tmp_path, [b"pixels"])
            Storage("s3://bucket").put(f"{job.id}/0.png", b"pixels", "image/png")

            [image] = client.find(job.id).images

            assert client.image(image) == b"pixels"
            assert "X-Amz-Signature" in server.requests[-1]
