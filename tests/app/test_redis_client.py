import asyncio

import uvloop

from app.redis_client import connect


def test_a_command_on_a_connection_that_has_just_closed_is_sent_over_another(redis_url: str) -> None:
    async def ping_around_a_close() -> bool:
        async with connect(redis_url) as redis, redis.client() as client:
            await client.ping()
            assert client.connection
            assert client.connection._writer
            client.connection._writer.transport.abort()
            await asyncio.sleep(0)
            return await client.ping()

    answered = uvloop.run(ping_around_a_close())

    assert answered
