from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from app.contract import sentinel
from app.contract.sentinel import SentinelAddress

# the worker has a patience of its own, and a lease that one call must not outlast
OPTIONS: dict[str, Any] = {
    "retry": Retry(NoBackoff(), 0),
    "socket_connect_timeout": 1.0,
    "socket_timeout": 3.0,
}


def connect(address: str) -> Redis:
    """A client of the Redis at this address, or of whichever the Sentinels there name; it connects when it is used."""
    if not address.startswith(sentinel.SCHEMES):
        return Redis.from_url(address, **OPTIONS)
    found = SentinelAddress.parse(address)
    asked = Sentinel(found.sentinels, sentinel_kwargs={**OPTIONS, **found.sentinel_options}, **OPTIONS, **found.options)
    client: Redis = asked.master_for(found.service)
    return client
