"""Clients of a running stack, many at once."""

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal

from app.contract.job import JobStatus
from tests.chaos.apis import RequestFailed
from tests.deploy.ledger import Answers, Jobs

BODY = {"prompt": "a red cat", "num_inference_steps": 2}
PATIENCE_S = 240.0  # for the jobs that are still on their way when the load ends
LONG_POLL_S = 2
LOOK_PAUSE_S = 0.2
AGAIN_S = 0.5  # where nobody has said when


class Load:
    """Clients that submit jobs and follow them to their pictures, and others that only look.

    A request that is refused or cut off has failed; unless there is patience, in seconds: then its client does as
    Retry-After says, and the request has failed when the patience is over.
    """

    def __init__(self, http: httpx.AsyncClient, body: dict[str, Any]) -> None:
        self.answers = Answers()
        self.jobs = Jobs()
        self.patience_s = 0.0
        self.is_over = False
        self._http = http
        self._body = body

    async def submit_and_look(self, clients: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._submit())
                group.create_task(self._look())

    async def settle(self) -> None:
        """Follows what is on its way to its end, with all the patience there is."""
        self.patience_s, until = PATIENCE_S, time.monotonic() + PATIENCE_S
        for job_id in self.jobs.lost:
            with suppress(RequestFailed):
                while not await self._has_ended(job_id) and time.monotonic() < until:
                    pass

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Raises RequestFailed, and remembers it."""
        began, was_refused = time.monotonic(), False
        while not isinstance(answer := await self._try(method, path, **request), httpx.Response):
            reason, again_in_s = answer
            if time.monotonic() + again_in_s - began > self.patience_s:
                self.answers.failures.append(f"{method} {path}: {reason}")
                raise RequestFailed(self.answers.failures[-1])
            was_refused = True
            await asyncio.sleep(again_in_s)
        took = self.answers.in_the_end_s if was_refused else self.answers.at_once_s
        took.append(time.monotonic() - began)
        return answer

    async def _try(self, method: str, path: str, **request: Any) -> httpx.Response | tuple[str, float]:
        """The answer, or why there is none and when to ask again."""
        try:
            answer = await self._http.request(method, path, **request)
        except httpx.TransportError as error:
            return repr(error), AGAIN_S
        if answer.is_success:
            return answer
        refusal = f"{answer.status_code} {answer.text[:200]}"
        return refusal, float(answer.headers.get("retry-after", "inf"))

    async def _submit(self) -> None:
        while not self.is_over:
            try:
                await self._develop()
            except RequestFailed:  # which is remembered
                await asyncio.sleep(AGAIN_S)

    async def _develop(self) -> None:
        key = {"Idempotency-Key": uuid.uuid4().hex}
        job = (await self.ask("POST", "/v1/jobs", json=self._body, headers=key)).json()
        self.jobs.seen[job["id"]] = job
        while not await self._has_ended(job["id"]):
            pass
        await self._fetch(self.jobs.seen[job["id"]])

    async def _look(self) -> None:
        while not self.is_over:
            for path in ("/v1/jobs?limit=5", "/v1/queue", "/v1/models"):
                with suppress(RequestFailed):
                    await self.ask("GET", path)
                await asyncio.sleep(LOOK_PAUSE_S)

    async def _has_ended(self, job_id: str) -> bool:
        job = (await self.ask("GET", f"/v1/jobs/{job_id}", params={"wait": LONG_POLL_S})).json()
        self.jobs.seen[job_id] = job
        return JobStatus(job["status"]).is_terminal

    async def _fetch(self, job: dict[str, Any]) -> None:
        for image in job["images"]:
            content = (await self.ask("GET", image["url"])).content
            if hashlib.sha256(content).hexdigest() != image["sha256"]:
                self.answers.failures.append(f"{image['url']}: the picture arrived damaged")


@contextmanager
def loading(url: str, clients: int, **more: Any) -> Iterator[Load]:
    """A load in the background; afterwards its jobs have ended, or are lost."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_loading(url, clients, more)) as load:
        yield load


@asynccontextmanager
async def _loading(url: str, clients: int, more: dict[str, Any]) -> AsyncIterator[Load]:
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False, follow_redirects=True) as http:
        load = Load(http, {**BODY, **more})
        clients_at_work = asyncio.create_task(load.submit_and_look(clients))
        try:
            yield load
        finally:
            load.is_over = True
            await clients_at_work
            await load.settle()
