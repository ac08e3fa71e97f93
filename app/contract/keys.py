"""API keys in Redis: who holds one, what for, and how much of it; of the key itself only the hash."""

import hashlib
import hmac
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError
from redis.asyncio import Redis

from app.contract import key_text, names
from app.contract.errors import KeyInvalid, RedisUnavailable
from app.contract.limits import Limits
from app.contract.redis_errors import redis_errors

USED_AGAIN = timedelta(minutes=1)  # the last use is written at most so often
TENANT = re.compile(r"[a-z0-9]{1,32}")  # without what separates it from a job's id in the record's


def _tenant(name: str) -> str:
    if name == names.OPEN_TENANT or not TENANT.fullmatch(name):
        raise PydanticCustomError("tenant", "A tenant is 1 to 32 of the characters a-z and 0-9, and not `open`")
    return name


class Scope(StrEnum):
    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


class Key(BaseModel):
    """What is known of an API key."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    tenant: Annotated[str, AfterValidator(_tenant)]
    scopes: frozenset[Scope]
    limits: Limits
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None

    @property
    def is_in_force(self) -> bool:
        return not self.revoked_at and not (self.expires_at and self.expires_at <= datetime.now(UTC))

    def is_hash_of(self, key: str) -> bool:
        return hmac.compare_digest(self.sha256, _hash(key))


@dataclass(frozen=True)
class Pace:
    """Where a key stands within its rate: how many requests may pass now, when one more may, when all may again."""

    is_allowed: bool
    left: int
    wait_s: int
    full_s: int


class KeyStore:
    """Makes, finds and revokes keys; every method raises RedisUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pass = redis.register_script((Path(__file__).parent / "scripts" / "pass.lua").read_text())

    async def create(
        self,
        name: str,
        scopes: frozenset[Scope],
        limits: Limits,
        *,
        tenant: str | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[Key, str]:
        """The new key, as it is kept and as its holder writes it; if no tenant is named it gets a new one.

        Raises ValidationError.
        """
        key_id = key_text.draw_id()
        text = key_text.draw_key(key_id)
        key = Key(
            id=key_id,
            name=name,
            tenant=tenant or secrets.token_hex(8),
            scopes=scopes,
            limits=limits,
            sha256=_hash(text),
            created_at=datetime.now(UTC),
            expires_at=expires_at,
        )
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(names.key_record(key.id), "about", key.model_dump_json(exclude={"revoked_at", "used_at"}))
            pipeline.sadd(names.KEYS, key.id)
            with redis_errors():
                await pipeline.execute()
        return key, text

    async def exist(self) -> bool:
        """Whether a key was ever made: an API with keys does not open again when the last one is revoked."""
        with redis_errors():
            return bool(await self._redis.exists(names.KEYS))

    async def all(self) -> list[Key]:
        with redis_errors():
            ids = await cast(Any, self._redis.smembers(names.KEYS))
        found = [await self.find(each.decode()) for each in ids]
        return sorted(found, key=lambda key: key.created_at)

    async def find(self, key_id: str) -> Key:
        """Raises KeyInvalid."""
        with redis_errors():
            fields = await cast(Any, self._redis.hgetall(names.key_record(key_id)))
        if not fields:
            raise KeyInvalid
        moments = {
            name: fields[name.encode()].decode() for name in ("revoked_at", "used_at") if name.encode() in fields
        }
        return Key.model_validate({**Key.model_validate_json(fields[b"about"]).model_dump(), **moments})

    async def authenticate(self, text: str) -> Key:
        """The key that this text is; its use is remembered to the minute. Raises KeyInvalid."""
        key = await self.find(key_text.id_of(text))
        if not (key.is_hash_of(text) and key.is_in_force):
            raise KeyInvalid
        now = datetime.now(UTC)
        if not key.used_at or now - key.used_at > USED_AGAIN:
            with suppress(RedisUnavailable), redis_errors():  # a Redis that takes no writes now can still be read
                await cast(Any, self._redis.hset(names.key_record(key.id), "used_at", now.isoformat()))
        return key

    async def revoke(self, key_id: str) -> None:
        """Raises KeyInvalid."""
        await self.find(key_id)
        now = datetime.now(UTC)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hsetnx(names.key_record(key_id), "revoked_at", now.isoformat())
            pipeline.delete(names.live_jobs_key(key_id), names.rate_key(key_id))
            with redis_errors():
                await pipeline.execute()

    async def count_request(self, key_id: str, requests_per_minute: int) -> Pace:
        """Lets one request pass, if the key's rate allows it now."""
        with redis_errors():
            is_allowed, left, wait_s, full_s = await self._pass([names.rate_key(key_id)], [requests_per_minute])
        return Pace(bool(is_allowed), left, wait_s, full_s)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
