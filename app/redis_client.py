from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from app.contract.job_store import JobStore
from app.contract.settings import Settings

# a lost Redis is told within about a second; a slow one gets the time of a disk's hiccup
RETRY = Retry(ExponentialBackoff(cap=0.2, base=0.05), retries=1)
CONNECT_TIMEOUT_S = 0.5
ANSWER_TIMEOUT_S = 3.0
MAX_CONNECTIONS = 64


def connect(address: str) -> Redis:
    """A client of the Redis at this address; it connects when it is first used."""
    pool = BlockingConnectionPool.from_url(
        address,
        max_connections=MAX_CONNECTIONS,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        retry=RETRY,
    )
    return Redis.from_pool(pool)


def job_store(redis: Redis, settings: Settings) -> JobStore:
    return JobStore(
        redis,
        max_queued=settings.max_queued,
        retention_s=settings.retention_s,
        job_timeout_s=settings.job_timeout_s,
    )
