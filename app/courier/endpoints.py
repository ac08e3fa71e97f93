"""Where a tenant wants to hear of its jobs, and the secrets that sign what it hears."""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, cast

from pydantic import BaseModel, Field
from redis.asyncio import Redis

from app.contract import names
from app.contract.delivery import DEFAULT_ENDPOINT
from app.contract.errors import EndpointNotFound, EndpointsFull
from app.contract.generation import WebhookEvent
from app.contract.redis_errors import redis_errors
from app.courier.signing import new_secret

MOST = 16
CHANGE = "return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HSET', KEYS[1], unpack(ARGV))"  # if it is there yet
OVERLAP_S = 86_400  # for so long the secret before the present one signs along


class Endpoint(BaseModel):
    """An address that is told of the ends of all of a tenant's jobs."""

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    url: str
    events: list[WebhookEvent]
    created_at: datetime
    disabled_at: datetime | None = Field(default=None, description="Since when nothing is sent: it answered 410.")


class EndpointWithSecret(Endpoint):
    """The same with the secret, which is shown when it is made and never again."""

    secret: str


class Secret(BaseModel):
    """What signs the webhooks that single jobs ask for."""

    object: Literal["webhook_secret"] = "webhook_secret"
    secret: str


class Endpoints:
    """Keeps each tenant's endpoints; every method raises RedisUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(CHANGE)

    async def create(self, tenant: str, url: str, events: Sequence[WebhookEvent]) -> EndpointWithSecret:
        """Raises EndpointsFull."""
        endpoint_id, secret = f"we_{secrets.token_hex(12)}", new_secret()
        created_at = datetime.now(UTC)
        fields = {"url": url, "events": json.dumps(events), "created_at": created_at.isoformat(), "secret": secret}
        with redis_errors():
            if await cast(Any, self._redis.scard(names.ENDPOINTS_PREFIX + tenant)) >= MOST:
                raise EndpointsFull(f"There are {MOST} webhook endpoints already.")
            async with self._redis.pipeline() as pipeline:
                pipeline.hset(names.endpoint_key(tenant, endpoint_id), mapping=cast(Any, fields))
                pipeline.sadd(names.ENDPOINTS_PREFIX + tenant, endpoint_id)
                await pipeline.execute()
        return EndpointWithSecret(id=endpoint_id, url=url, events=list(events), created_at=created_at, secret=secret)

    async def all_of(self, tenant: str) -> list[Endpoint]:
        """The oldest first."""
        with redis_errors():
            ids = [each.decode() for each in await cast(Any, self._redis.smembers(names.ENDPOINTS_PREFIX + tenant))]
            async with self._redis.pipeline(transaction=False) as pipeline:
                for each in ids:
                    pipeline.hgetall(names.endpoint_key(tenant, each))
                found = zip(ids, await pipeline.execute(), strict=True)
        return sorted(
            (_read(each, _decoded(fields)) for each, fields in found if fields), key=lambda each: each.created_at
        )

    async def find(self, tenant: str, endpoint_id: str) -> Endpoint:
        """Raises EndpointNotFound."""
        return _read(endpoint_id, await self._fields(tenant, endpoint_id))

    async def delete(self, tenant: str, endpoint_id: str) -> None:
        """Nothing is sent there any more, nor what waits to be sent. Raises EndpointNotFound."""
        await self._fields(tenant, endpoint_id)
        with redis_errors():
            async with self._redis.pipeline() as pipeline:
                pipeline.srem(names.ENDPOINTS_PREFIX + tenant, endpoint_id)
                pipeline.delete(names.endpoint_key(tenant, endpoint_id))
                await pipeline.execute()

    async def disable(self, tenant: str, endpoint_id: str) -> None:
        await self._change(tenant, endpoint_id, {"disabled_at": datetime.now(UTC).isoformat()})

    async def enable(self, tenant: str, endpoint_id: str) -> Endpoint:
        """Raises EndpointNotFound."""
        with redis_errors():
            await cast(Any, self._redis.hdel(names.endpoint_key(tenant, endpoint_id), "disabled_at"))
        return await self.find(tenant, endpoint_id)

    async def rotate(self, tenant: str, endpoint_id: str) -> EndpointWithSecret:
        """Gives the endpoint a new secret. Raises EndpointNotFound."""
        endpoint = await self.find(tenant, endpoint_id)
        return EndpointWithSecret(**endpoint.model_dump(), secret=await self._rotate(tenant, endpoint_id))

    async def default_secret(self, tenant: str) -> Secret:
        """The secret of the webhooks that single jobs ask for; it is there as soon as it is wanted."""
        [newest, *_] = await self.keys(tenant, DEFAULT_ENDPOINT)
        return Secret(secret=newest)

    async def rotate_default(self, tenant: str) -> Secret:
        await self.keys(tenant, DEFAULT_ENDPOINT)
        return Secret(secret=await self._rotate(tenant, DEFAULT_ENDPOINT))

    async def keys(self, tenant: str, endpoint_id: str) -> list[str]:
        """All secrets that sign now, the newest first. Raises EndpointNotFound."""
        if endpoint_id == DEFAULT_ENDPOINT:
            with redis_errors():
                await cast(Any, self._redis.hsetnx(names.endpoint_key(tenant, endpoint_id), "secret", new_secret()))
        fields = await self._fields(tenant, endpoint_id)
        is_over = float(fields.get("old_secret_until", 0)) < time.time()
        return [fields["secret"]] if is_over else [fields["secret"], fields["old_secret"]]

    async def _rotate(self, tenant: str, endpoint_id: str) -> str:
        [newest, *_] = await self.keys(tenant, endpoint_id)
        secret = new_secret()
        changes = {"secret": secret, "old_secret": newest, "old_secret_until": str(time.time() + OVERLAP_S)}
        await self._change(tenant, endpoint_id, changes)
        return secret

    async def _change(self, tenant: str, endpoint_id: str, changes: Mapping[str, str]) -> None:
        words = [word for change in changes.items() for word in change]
        with redis_errors():
            await self._script([names.endpoint_key(tenant, endpoint_id)], words)

    async def _fields(self, tenant: str, endpoint_id: str) -> dict[str, str]:
        with redis_errors():
            fields = await cast(Any, self._redis.hgetall(names.endpoint_key(tenant, endpoint_id)))
        if not fields:
            raise EndpointNotFound(f"There is no webhook endpoint {endpoint_id}.")
        return _decoded(fields)


def _decoded(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in fields.items()}


def _read(endpoint_id: str, fields: Mapping[str, str]) -> Endpoint:
    return Endpoint(
        id=endpoint_id,
        url=fields["url"],
        events=json.loads(fields["events"]),
        created_at=datetime.fromisoformat(fields["created_at"]),
        disabled_at=datetime.fromisoformat(fields["disabled_at"]) if "disabled_at" in fields else None,
    )
