from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004 - redis-py's own names

from app.contract import sentinel
from app.contract.job_store import JobStore
from app.contract.sentinel import SentinelAddress
from app.contract.settings import Settings

WORTH_A_RETRY = (ConnectionError, TimeoutError, RuntimeError)  # the last is what uvloop says of a closed connection
# a lost Redis is told within about a second; a slow one gets the time of a disk's hiccup
OPTIONS: dict[str, Any] = {
    "retry": Retry(ExponentialBackoff(cap=0.2, base=0.05), retries=1, supported_errors=WORTH_A_RETRY),  # type: ignore[arg-type]
    "socket_connect_timeout": 0.5,
    "socket_timeout": 3.0,
}
MAX_CONNECTIONS = 64


class _SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Has callers wait for a free connection, as the pool of a Redis without Sentinels does."""


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Redis]:
    """A client of the Redis at this address, or of whichever the Sentinels there name; it connects when it is used."""
    if not address.startswith(sentinel.SCHEMES):
        pool = BlockingConnectionPool.from_url(address, max_connections=MAX_CONNECTIONS, **OPTIONS)
        async with Redis.from_pool(pool) as client:
            yield client
        return
    found = SentinelAddress.parse(address)
    sentinel_options = {**OPTIONS, **found.sentinel_options}
    asked = Sentinel(found.sentinels, sentinel_kwargs=sentinel_options, **OPTIONS, **found.options)  # type: ignore[no-untyped-call]
    primary = asked.master_for(found.service, connection_pool_class=_SentinelPool, max_connections=MAX_CONNECTIONS)
    async with asked, primary as client:
        yield client


def job_store(redis: Redis, settings: Settings) -> JobStore:
    return JobStore(
        redis,
        max_queued=settings.max_queued,
        max_queued_per_tenant=settings.max_queued_per_tenant,
        retention_s=settings.retention_s,
        job_timeout_s=settings.job_timeout_s,
    )
