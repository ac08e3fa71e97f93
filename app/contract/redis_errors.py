import re
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.contract.errors import RedisUnavailable

NOT_NOW = re.compile(r"\b(?:MISCONF|BUSY|NOREPLICAS) ")  # redis-py has no classes for these


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turns what says that Redis is away, or takes nothing now, into RedisUnavailable."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise RedisUnavailable("Redis does not answer.") from error
    except (OutOfMemoryError, ReadOnlyError, ClusterDownError, MasterDownError) as error:
        raise RedisUnavailable("Redis takes no commands now.") from error
    except ResponseError as error:
        if not NOT_NOW.search(str(error)):
            raise
        raise RedisUnavailable("Redis takes no commands now.") from error
