"""OpenAI's clients send a request again when no answer came, without any key: their retry must make no second job."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

import redis.asyncio
from redis.exceptions import RedisError

from app.contract import names
from app.contract.errors import JobNotFound, RedisUnavailable
from app.contract.job_store import JobStore
from app.contract.redis_errors import redis_errors

SCRIPTS = Path(__file__).parent
RETRY_WITHIN_S = 600  # of the request before it


class Attendance:
    """Knows which requests wait for which job: a retry joins the job of its first try, and an abandoned job ends."""

    def __init__(self, redis: redis.asyncio.Redis, store: JobStore, *, reattach_s: float) -> None:
        self._store = store
        self._reattach_s = reattach_s
        self._attach = redis.register_script((SCRIPTS / "attach.lua").read_text())
        self._leave = redis.register_script((SCRIPTS / "leave.lua").read_text())
        self._leaving: set[asyncio.Task[None]] = set()
        self._is_closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_closing.set()
        await asyncio.gather(*self._leaving)

    @asynccontextmanager
    async def job_for(self, body: bytes, *, tenant: str, is_retry: bool) -> AsyncIterator[str]:
        """Gives the id of the job that answers the request with this body (or its digest): a new one, or its retry's.

        When the context ends, however it does, a retry may join the job for `reattach_s`; then it is canceled, if it
        has not ended. Raises RedisUnavailable.
        """
        key = names.tries_key(hashlib.sha256(tenant.encode() + b"\n" + body).hexdigest())
        asked: list[str | int] = [int(is_retry), uuid.uuid4().hex, uuid.uuid4().hex, RETRY_WITHIN_S]
        with redis_errors():
            job_id, mark = (each.decode() for each in await self._attach([key], asked))
        try:
            yield job_id
        finally:  # not awaited: the request may have been canceled
            leaving = asyncio.create_task(self._left(key, job_id, mark, tenant))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _left(self, key: str, job_id: str, mark: str, tenant: str) -> None:
        moment, attendant = mark.split()
        left = f"{moment} -{attendant}"
        with suppress(RedisError, RedisUnavailable, JobNotFound):  # it runs to its end then, or was never admitted
            if not await self._leave([key], [job_id, mark, left]) or await self._closes_within(self._reattach_s):
                return
            if await self._leave([key], [job_id, left, ""]):
                await self._store.cancel(job_id, tenant=tenant)

    async def _closes_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_closing.wait(), seconds)
        return self._is_closing.is_set()
