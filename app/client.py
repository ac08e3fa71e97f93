"""The HTTP client that the command line uses."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from app.contract.job import Image, Job, JobStatus

POLL_S = 0.15
AWAY_S = 10.0  # an API that restarts is away for a moment; the job is not
ANSWER_TIMEOUT_S = 30.0
NOT_NOW = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS)
OTHER_SHAPE = (ValueError, LookupError, TypeError)  # what reading an answer raises if it is no JSON, or another JSON


class GenerationStopped(Exception):
    """Raised when there will be no picture; the message is a sentence for a person."""


class Unreachable(GenerationStopped):
    """Raised when the service does not answer, or not now."""


class Client:
    """One Darkroom, over HTTP."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        on_this_machine = urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")
        # a proxy that the environment names does not reach this machine's own loopback
        if key and not key.isascii():
            raise GenerationStopped("That is no API key: one is made of letters, digits and underscores.")
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key.strip()}"} if key else {},
            timeout=ANSWER_TIMEOUT_S,
            trust_env=not on_this_machine,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def is_alive(self) -> bool:
        try:
            self._ask("GET", "/livez")
        except Unreachable:
            return False
        return True

    def warm_models(self) -> list[str]:
        answer = self._ask("GET", "/v1/models")
        with _understanding(answer):
            return [each["id"] for each in answer.json()["data"] if each["darkroom"]["state"] == "warm"]

    def submit(self, body: dict[str, Any]) -> Job:
        return _read_job(self._ask("POST", "/v1/jobs", json=body))

    def find(self, job_id: str) -> Job:
        return _read_job(self._ask("GET", f"/v1/jobs/{job_id}"))

    def cancel(self, job_id: str) -> Job:
        return _read_job(self._ask("POST", f"/v1/jobs/{job_id}/cancel"))

    def image(self, image: Image) -> bytes:
        content = self._ask("GET", image.url, follow_redirects=True).content
        if hashlib.sha256(content).hexdigest() != image.sha256:
            raise GenerationStopped(f"Image {image.index} arrived damaged.")
        return content

    def wait(self, job: Job, timeout_s: float, on_change: Callable[[Job], None]) -> Job:
        """Polls until the job has succeeded; a job that takes longer than `timeout_s` is canceled.

        Raises GenerationStopped.
        """
        until = time.monotonic() + timeout_s
        seen = time.monotonic()
        while not job.status.is_terminal:
            if time.monotonic() > until:
                self.cancel(job.id)
                raise GenerationStopped(f"Job {job.id} was not done after {timeout_s:g} s and is canceled.")
            time.sleep(POLL_S)
            try:
                job, seen = self.find(job.id), time.monotonic()
            except Unreachable:
                if time.monotonic() - seen > AWAY_S:
                    raise
            on_change(job)
        if job.status is not JobStatus.SUCCEEDED:
            reason = f": {job.error.message}" if job.error else "."
            raise GenerationStopped(f"Job {job.id} {job.status}{reason}")
        return job

    def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **given)
        except httpx.InvalidURL as error:
            raise GenerationStopped(f"{self.url} is no address: {error}.") from None
        except httpx.UnsupportedProtocol:
            raise GenerationStopped(f"{self.url} is no address: it begins with http:// or https://.") from None
        except httpx.TransportError as error:
            raise Unreachable(
                f"No Darkroom answers at {self.url} ({type(error).__name__}): start one with `darkroom up`."
            ) from None
        if answer.status_code in NOT_NOW:
            raise Unreachable(_sentence(answer))
        if not answer.is_success:
            raise GenerationStopped(_sentence(answer))
        return answer


def _read_job(answer: httpx.Response) -> Job:
    with _understanding(answer):
        return Job.model_validate_json(answer.content)


def _sentence(answer: httpx.Response) -> str:
    """What the service's problem says; of fields at fault, each with its name."""
    try:
        problem = answer.json()
        fields = [f"{each['field'] or 'the request'}: {each['message']}" for each in problem["errors"]]
        return "; ".join(fields) or str(problem["detail"])
    except OTHER_SHAPE:
        return f"{answer.url} does not answer as a Darkroom does (status {answer.status_code})."


@contextmanager
def _understanding(answer: httpx.Response) -> Iterator[None]:
    try:
        yield
    except OTHER_SHAPE:
        raise GenerationStopped(_sentence(answer)) from None
