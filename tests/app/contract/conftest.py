from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from app.contract.job_store import JobStore
from app.contract.queues import Queues


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[JobStore]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield JobStore(client, max_queued=20, retention_s=600, job_timeout_s=60)


@pytest.fixture
async def queues(redis_url: str) -> AsyncIterator[Queues]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield Queues(client, retention_s=600)
