"""Callers with API keys."""

import asyncio
from collections.abc import Iterable

import httpx
import redis.asyncio

from app.contract.keys import Key, KeyStore, Scope
from app.contract.limits import Limits


def make_key(
    redis_url: str, scopes: Iterable[Scope] = Scope, tenant: str | None = None, **limits: int
) -> tuple[Key, dict[str, str]]:
    """A new key, and the header that its holder sends."""

    async def make() -> tuple[Key, str]:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            return await KeyStore(client).create("test", frozenset(scopes), Limits(**limits), tenant=tenant)

    key, text = asyncio.run(make())
    return key, {"authorization": f"Bearer {text}"}


def revoke(redis_url: str, key: Key) -> None:
    async def end() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            await KeyStore(client).revoke(key.id)

    asyncio.run(end())


def succeeded_path(http: httpx.Client, header: dict[str, str]) -> str:
    """Where a job is that was just submitted with this key."""
    return http.post("/v1/jobs", json={"prompt": "a cat"}, headers=header).headers["location"]
