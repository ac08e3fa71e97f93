import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from app.client import Client, GenerationStopped, Unreachable
from app.contract.job import Job, JobStatus

Answering = Callable[..., Client]


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
