"""Addresses that say for themselves who may read them, and how long: for a browser, or for whoever got a webhook."""

import hashlib
import hmac
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from redis.asyncio import Redis

from app.contract import names
from app.contract.errors import LinkExpired, LinkInvalid
from app.contract.redis_errors import redis_errors
from app.contract.settings import Settings

PERIODS = 6  # of a link's life: within one, the link of a path stays the same
EXPIRY = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Links:
    """Signs paths for a tenant and checks what was signed; the open tenant needs no signatures."""

    secret: bytes = field(repr=False)
    lifetime_s: int

    def sign(self, path: str, tenant: str) -> str:
        if tenant == names.OPEN_TENANT:
            return path
        expiry = self.period_for(tenant)
        return f"{path}?tenant={tenant}&exp={expiry}&sig={self._signature(path, tenant, expiry)}"

    def period_for(self, tenant: str) -> str:
        """What the tenant's links of this moment have in common: when they expire, in seconds since 1970."""
        if tenant == names.OPEN_TENANT:
            return ""
        period_s = self.lifetime_s // PERIODS
        return str((int(time.time()) // period_s + PERIODS) * period_s)

    def check(self, path: str, query: Mapping[str, str]) -> str:
        """The tenant for whom the path was signed.

        Raises LinkInvalid and LinkExpired.
        """
        tenant, expiry = query.get("tenant", ""), query.get("exp", "")
        signature = self._signature(path, tenant, expiry).encode()
        if not hmac.compare_digest(signature, query.get("sig", "").encode()) or not EXPIRY.fullmatch(expiry):
            raise LinkInvalid("This address was not signed by Darkroom, or it was changed.")
        if int(expiry) < time.time():
            raise LinkExpired("The time of this address is over; the job gives a new one.")
        return tenant

    def _signature(self, path: str, tenant: str, expiry: str) -> str:
        signed = "\n".join((tenant, expiry, path)).encode()
        return urlsafe_b64encode(hmac.digest(self.secret, signed, hashlib.sha256)).decode().rstrip("=")


async def read_links(redis: Redis, settings: Settings) -> Links:
    """Links by the secret of the settings, or by the one that Redis keeps for all processes.

    Raises RedisUnavailable.
    """
    lifetime_s = min(settings.link_lifetime_s, settings.retention_s)
    if settings.signing_secret:
        return Links(settings.signing_secret.encode(), lifetime_s)
    with redis_errors():
        await redis.set(names.SIGNING_SECRET, secrets.token_hex(32), nx=True)
        return Links(cast(bytes, await redis.get(names.SIGNING_SECRET)), lifetime_s)
