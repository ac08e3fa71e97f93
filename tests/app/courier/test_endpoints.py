from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from app.contract import names
from app.contract.errors import EndpointNotFound
from app.courier.endpoints import Endpoints


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield client


@pytest.mark.anyio
async def test_the_secret_before_signs_along_until_its_day_is_over(client: redis.asyncio.Redis) -> None:
    endpoints = Endpoints(client)
    created = await endpoints.create("acme", "https://receiver.example/", ["job.failed"])

    rotated = await endpoints.rotate("acme", created.id)
    both = await endpoints.keys("acme", created.id)
    await client.hset(names.endpoint_key("acme", created.id), "old_secret_until", "1")

    assert both == [rotated.secret, created.secret]
    assert await endpoints.keys("acme", created.id) == [rotated.secret]


@pytest.mark.anyio
async def test_the_default_secret_can_be_rotated_before_it_was_asked_for(client: redis.asyncio.Redis) -> None:
    endpoints = Endpoints(client)

    rotated = await endpoints.rotate_default("acme")

    assert (await endpoints.keys("acme", "default"))[0] == rotated.secret
    assert (await endpoints.default_secret("other")).secret != rotated.secret


@pytest.mark.anyio
async def test_a_disabled_endpoint_can_be_enabled(client: redis.asyncio.Redis) -> None:
    endpoints = Endpoints(client)
    created = await endpoints.create("acme", "https://receiver.example/", ["job.failed"])

    await endpoints.disable("acme", created.id)
    disabled = await endpoints.find("acme", created.id)
    enabled = await endpoints.enable("acme", created.id)

    assert disabled.disabled_at
    assert enabled.disabled_at is None


@pytest.mark.anyio
async def test_what_comes_too_late_for_a_deleted_endpoint_leaves_nothing_behind(client: redis.asyncio.Redis) -> None:
    endpoints = Endpoints(client)
    created = await endpoints.create("acme", "https://receiver.example/", ["job.failed"])
    await endpoints.delete("acme", created.id)

    await endpoints.disable("acme", created.id)

    assert await client.keys("*") == []
    with pytest.raises(EndpointNotFound):
        await endpoints.rotate("acme", created.id)


@pytest.mark.anyio
async def test_another_tenants_endpoint_is_not_found(client: redis.asyncio.Redis) -> None:
    endpoints = Endpoints(client)
    created = await endpoints.create("acme", "https://receiver.example/", ["job.failed"])

    for ask in (endpoints.find, endpoints.delete, endpoints.rotate, endpoints.enable, endpoints.keys):
        with pytest.raises(EndpointNotFound):
            await ask("other", created.id)
    assert await endpoints.all_of("other") == []
    assert [each.id for each in await endpoints.all_of("acme")] == [created.id]
