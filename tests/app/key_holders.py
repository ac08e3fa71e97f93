"""Callers with API keys."""

import asyncio
from collections.abc import Iterable

import redis.asyncio

from app.contract.keys import Key, KeyStore, Scope
from app.contract.limits import Limits

UNLIMITED = Limits()


def make_key(
    redis_url: str, limits: Limits = UNLIMITED, *, scopes: Iterable[Scope] = Scope, tenant: str | None = None
) -> tuple[Key, dict[str, str]]:
    """A new key, and the header that its holder sends."""

    async def make() -> tuple[Key, str]:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            return await KeyStore(client).create("test", frozenset(scopes), limits, tenant=tenant)

    key, text = asyncio.run(make())
    return key, {"authorization": f"Bearer {text}"}


def revoke(redis_url: str, key: Key) -> None:
    async def end() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            await KeyStore(client).revoke(key.id)

    asyncio.run(end())
