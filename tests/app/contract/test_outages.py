import pytest
import redis.asyncio
from redis import Redis
from redis.exceptions import ResponseError

from app.contract.errors import RedisUnavailable
from app.contract.job_store import JobStore
from app.contract.queues import Queues
from app.contract.redis_errors import redis_errors
from tests.app.contract.asked import generation

pytestmark = pytest.mark.anyio


async def test_a_full_redis_is_unavailable(store: JobStore, redis: Redis) -> None:
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(RedisUnavailable):
            await store.admit(generation(), tenant="a")
    finally:
        redis.config_set("maxmemory", 0)


@pytest.mark.parametrize(
    "answer", ["MISCONF", "OOM", "READONLY", "BUSY", "LOADING", "CLUSTERDOWN", "MASTERDOWN", "NOREPLICAS"]
)
async def test_a_redis_that_takes_no_commands_now_is_unavailable(redis_url: str, answer: str) -> None:
    script = f"return redis.error_reply('{answer} Not now.')"
    async with redis.asyncio.Redis.from_url(redis_url) as client, client.pipeline(transaction=False) as pipeline:
        with pytest.raises(RedisUnavailable), redis_errors():
            await client.execute_command("EVAL", script, 0)
        pipeline.execute_command("EVAL", script, 0)
        with pytest.raises(RedisUnavailable), redis_errors():
            await pipeline.execute()


async def test_a_command_that_is_wrong_is_not_taken_for_a_redis_that_is_away(queues: Queues, redis: Redis) -> None:
    redis.set("rq:workers", "no set")

    with pytest.raises(ResponseError):
        await queues.announcements()


async def test_a_redis_that_does_not_answer_is_unavailable() -> None:
    async with redis.asyncio.Redis.from_url("unix:///nowhere/redis.sock") as client:
        store = JobStore(client, max_queued=1, retention_s=60, job_timeout_s=60)
        queues = Queues(client, retention_s=60)

        for call in (
            store.admit(generation(), tenant="a"),
            store.find("b", tenant="a"),
            store.cancel("b", tenant="a"),
            store.erase("b", tenant="a"),
            queues.announcements(),
            queues.counts(["mini"]),
            queues.oldest(["mini"]),
        ):
            with pytest.raises(RedisUnavailable):
                await call
