from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from app.contract.job_store import JobStore


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[JobStore]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield JobStore(client, max_queued=20, retention_s=600, job_timeout_s=60)
