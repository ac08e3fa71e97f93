"""Who asks: everyone, the holder of a key, or the holder of a signed link."""

import hashlib
import time
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from fastapi import Request
from redis.asyncio import Redis
from starlette import types

from app.contract import names
from app.contract.errors import KeyInvalid, RedisUnavailable, ScopeMissing
from app.contract.keys import Key, KeyStore, Pace, Scope
from app.contract.limits import Quota
from app.contract.links import Links, read_links
from app.contract.settings import Settings
from app.contract.unstartable import Unstartable
from app.redis_client import connect

MEMORY_S = 2.0  # for so long a revoked key may still be taken
MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class Caller:
    """Who sent a request, and what he may do; without keys everyone is the open tenant and may do all."""

    tenant: str = names.OPEN_TENANT
    scopes: frozenset[Scope] = frozenset(Scope)
    key: Key | None = None

    @property
    def quota(self) -> Quota | None:
        return Quota(self.key.id, self.key.limits) if self.key and self.key.limits.hold_admission else None

    def require(self, scope: Scope) -> None:
        """Raises ScopeMissing."""
        if scope not in self.scopes:
            raise ScopeMissing(f"This needs the scope {scope}, which this {'API key' if self.key else 'link'} has not.")


class Doorkeeper:
    """Tells callers apart; one for each API process."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._settings = settings
        self._keys = KeyStore(redis)
        self._known: dict[bytes, tuple[Key, float]] = {}
        self._links: Links | None = None
        self._look_again_at = 0.0
        self._has_keys = False

    async def identify(self, request: Request) -> Caller:
        """Raises KeyInvalid, LinkInvalid, LinkExpired and RedisUnavailable."""
        if not await self._asks_for_keys(request):
            return Caller()
        if "sig" in request.query_params and "authorization" not in request.headers:
            tenant = (await self.links()).check(path_of(request.scope), request.query_params)
            return Caller(tenant, frozenset({Scope.READ}))
        key = await self._key_of(request)
        return Caller(key.tenant, key.scopes, key)

    async def count(self, caller: Caller) -> Pace | None:
        """Where the caller stands within the rate of its key, if that has one, with this request.

        Raises RedisUnavailable.
        """
        if caller.key and caller.key.limits.requests_per_minute:
            return await self._keys.count_request(caller.key.id, caller.key.limits.requests_per_minute)
        return None

    async def links(self) -> Links:
        """Raises RedisUnavailable."""
        self._links = self._links or await read_links(self._redis, self._settings)
        return self._links

    async def _asks_for_keys(self, request: Request) -> bool:
        if self._settings.auth == "open":
            return False
        if self._has_keys or not (may_be_open(self._settings) and _came_over_loopback(request)):
            return True
        if time.monotonic() >= self._look_again_at:
            self._has_keys = await self._keys.exist()
            self._look_again_at = time.monotonic() + MEMORY_S
        return self._has_keys

    async def _key_of(self, request: Request) -> Key:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise KeyInvalid("Send an API key, with the header `Authorization: Bearer dk_...`.")
        digest = hashlib.sha256(text.encode()).digest()
        key, until = self._known.get(digest, (None, 0.0))
        if not key or not key.is_in_force or time.monotonic() >= until:
            key = await self._keys.authenticate(text.strip())
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = key, time.monotonic() + MEMORY_S
        return key


async def require_a_key(settings: Settings) -> None:
    """Raises Unstartable if the API would listen to others while nobody has a key and nobody has said what that means.

    Without Redis nobody knows whether there is a key: the API starts, and will ask for one.
    """
    if settings.auth == "keys" or may_be_open(settings):
        return
    try:
        async with connect(settings.redis_address) as redis:
            has_keys = await KeyStore(redis).exist()
    except RedisUnavailable:
        return
    if not has_keys:
        raise Unstartable(
            f"Others can reach {settings.host} and there is no API key: make one with `darkroom keys create`. "
            "Or start with DARKROOM_AUTH=keys, which lets nobody in until there is one, or with DARKROOM_AUTH=open, "
            "which lets everyone in."
        )


@lru_cache(16)
def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def may_be_open(settings: Settings) -> bool:
    """Whether there are times when nobody needs a key."""
    return settings.auth == "open" or (settings.auth == "auto" and is_loopback(settings.host))


def path_of(scope: types.Scope) -> str:
    """The path as the routes are written, wherever the application is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _came_over_loopback(request: Request) -> bool:
    """Whether a local address was called: an ASGI server may listen elsewhere than the settings say."""
    host, port = request.scope["server"] or ("", None)
    return port is None or is_loopback(host)  # without a port it is a unix socket
