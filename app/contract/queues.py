"""What waits and who works; nobody's job in particular."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, cast

import redis.asyncio
from pydantic import BaseModel, ValidationError
from rq import Queue
from rq.defaults import RQ_KEY_PREFIX
from rq.job import Job
from rq.registry import CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.utils import current_timestamp, str_to_date
from rq.worker_registration import REDIS_WORKER_KEYS

from app.contract import names
from app.contract.admission import TURN_COSTS
from app.contract.announcement import Announcement
from app.contract.job_store import script
from app.contract.redis_errors import redis_errors
from app.contract.tally import Tally

WORKER_KEY_PREFIX = f"{RQ_KEY_PREFIX}:worker:"


class QueueCounts(BaseModel):
    """A model's jobs by status; ended ones are counted as long as they are kept, the expired as canceled."""

    queued: int
    running: int
    succeeded: int
    failed: int
    canceled: int


class Waiting(NamedTuple):
    """How many jobs wait, and since when the first of them."""

    jobs: int = 0
    since: datetime | None = None


class Queues:
    """Looks at the queues and the workers and changes nothing; the client must not decode answers."""

    def __init__(self, redis: redis.asyncio.Redis, *, retention_s: int) -> None:
        self._redis = redis
        self._retention_s = retention_s
        self._waiting = redis.register_script(script("waiting"))

    async def announcements(self) -> list[Announcement]:
        """What every live worker says of itself.

        Raises RedisUnavailable.
        """
        with redis_errors():
            keys = await cast(Any, self._redis.smembers(REDIS_WORKER_KEYS))
            workers = sorted(key.decode().removeprefix(WORKER_KEY_PREFIX) for key in keys)
            said = await self._redis.mget([names.announcement_key(worker) for worker in workers]) if workers else []
        announcements = []
        for each in (answer for answer in said if answer):
            with suppress(ValidationError):  # another version's worker says it differently
                announcements.append(Announcement.model_validate_json(each))
        return announcements

    async def counts(self, models: Sequence[str]) -> dict[str, QueueCounts]:
        """Counts in one round trip; rq's own counting fails abandoned jobs on the way.

        Raises RedisUnavailable.
        """
        kept_from = current_timestamp() - self._retention_s
        async with self._redis.pipeline(transaction=False) as pipeline:
            for queue in map(names.queue_name, models):
                pipeline.llen(Queue.redis_queue_namespace_prefix + queue)
                pipeline.zcard(StartedJobRegistry.key_template.format(queue))
                pipeline.zcount(FinishedJobRegistry.key_template.format(queue), current_timestamp(), "+inf")
                pipeline.zcount(FailedJobRegistry.key_template.format(queue), current_timestamp(), "+inf")
                pipeline.zcount(CanceledJobRegistry.key_template.format(queue), kept_from, "+inf")
            with redis_errors():
                counts = iter(await pipeline.execute())
        return {model: QueueCounts(**{status: next(counts) for status in QueueCounts.model_fields}) for model in models}

    async def waiting(self, models: Sequence[str]) -> dict[str, dict[str, Waiting]]:
        """Who waits, by model and by priority; what was given back waits since then.

        Raises RedisUnavailable.
        """
        queues = Queue.redis_queue_namespace_prefix
        names_of = [names.queue_name(model) for model in models]
        keys = [key for name in names_of for key in (queues + name, names.TURNS_PREFIX + name)]
        words = (Job.redis_job_namespace_prefix, queues, names.LINE_PREFIX, TURN_COSTS["normal"])
        with redis_errors():
            answers = await self._waiting(keys, words)
        return {model: _by_priority(answer) for model, answer in zip(models, answers, strict=True)}

    async def tally(self) -> Tally:
        """Raises RedisUnavailable."""
        with redis_errors():
            return Tally.of(await cast(Any, self._redis.hgetall(names.TALLY)))

    async def oldest(self, models: Sequence[str]) -> dict[str, datetime]:
        """When the job was created that is the first of each queue; an empty queue is left out.

        Raises RedisUnavailable.
        """
        async with self._redis.pipeline(transaction=False) as pipeline:
            for model in models:
                pipeline.lindex(Queue.redis_queue_namespace_prefix + names.queue_name(model), 0)
            with redis_errors():
                firsts = {model: first for model, first in zip(models, await pipeline.execute(), strict=True) if first}
            for first in firsts.values():
                pipeline.hget(Job.key_for(first.decode()), "created_at")
            with redis_errors():
                created = await pipeline.execute() if firsts else []
        return {model: str_to_date(at) for model, at in zip(firsts, created, strict=True) if at}


def _by_priority(answer: Sequence[tuple[bytes, int, bytes]]) -> dict[str, Waiting]:
    found = {int(cost): Waiting(jobs, str_to_date(since) if since else None) for cost, jobs, since in answer}
    return {priority: found.get(cost, Waiting()) for priority, cost in TURN_COSTS.items()}
