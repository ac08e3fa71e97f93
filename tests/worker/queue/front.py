import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import redis.asyncio

from app.contract.announcement import Announcement
from app.contract.generation import Generation, Output
from app.contract.job import JobError, JobRecord, JobStatus
from app.contract.job_store import JobStore, QueueCounts
from tests.worker.queue.eventually import eventually

Answer = TypeVar("Answer")


class Front:
    """The API's side of the queue, for tests that are not asynchronous."""

    def __init__(self, url: str) -> None:
        self._url = url

    def admit(self, job_id: str | None = None, **changes: Any) -> str:
        fields: dict[str, Any] = {
            "model": "mini",
            "prompt": "a cat wearing a space helmet",
            "negative_prompt": "",
            "width": 128,
            "height": 128,
            "num_images": 1,
            "num_inference_steps": 20,
            "guidance_scale": 5.0,
            "seed": 7,
            "scheduler": "DDIMScheduler",
            "output": Output(),
            "metadata": {},
        }
        generation = Generation(**{**fields, **changes})
        return self._ask(lambda store: store.admit(generation, job_id)).id

    def find(self, job_id: str) -> JobRecord:
        return self._ask(lambda store: store.find(job_id))

    def cancel(self, job_id: str) -> JobRecord:
        return self._ask(lambda store: store.cancel(job_id))

    def error_of(self, job_id: str) -> JobError:
        error = self.wait_for(job_id, JobStatus.FAILED).error
        assert error
        return error

    def announcements(self) -> list[Announcement]:
        return self._ask(lambda store: store.announcements())

    def counts(self) -> QueueCounts:
        return self._ask(lambda store: store.counts(["mini"]))["mini"]

    def wait_for(self, job_id: str, status: JobStatus) -> JobRecord:
        eventually(lambda: self.find(job_id).status is status)
        return self.find(job_id)

    def _ask(self, question: Callable[[JobStore], Awaitable[Answer]]) -> Answer:
        async def ask() -> Answer:
            async with redis.asyncio.Redis.from_url(self._url) as client:
                return await question(JobStore(client, max_queued=1_000, retention_s=600, job_timeout_s=60))

        return asyncio.run(ask())
