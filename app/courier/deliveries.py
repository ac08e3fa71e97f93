"""What became of a tenant's webhooks: rq's records of them, read as what the API calls deliveries."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, Field
from redis.asyncio import Redis
from rq import Queue
from rq.job import Job, JobStatus
from rq.registry import (
    CanceledJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat

from app.contract import names
from app.contract.delivery import DEFAULT_ENDPOINT, TEST_EVENT, Delivery
from app.contract.errors import DeliveryNotFound
from app.contract.outbox import QUEUE, with_post
from app.contract.redis_errors import redis_errors

REPLAY = Path(__file__).with_name("scripts") / "replay.lua"
ENDED = (FinishedJobRegistry, FailedJobRegistry, CanceledJobRegistry)
ATTEMPTS_KEPT = 10  # by rq
LOOKED_AT = 200  # of the records, at most, for one page of a list
CURSOR = r"^[0-9a-f]{1,13}$"  # a place in the list, which is a time in microseconds
NO_CONNECTION: Any = object()  # rq wants one, and has no use for it here


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


STATUSES = {
    JobStatus.FINISHED: DeliveryStatus.DELIVERED,
    JobStatus.FAILED: DeliveryStatus.FAILED,
    JobStatus.STOPPED: DeliveryStatus.FAILED,
    JobStatus.CANCELED: DeliveryStatus.FAILED,
}


class Attempt(BaseModel):
    """One request to the receiver, and why it was of no use."""

    ended_at: datetime
    error: str | None


class DeliveryRecord(BaseModel):
    """One telling of one event to one receiver; its id is the `webhook-id` that the receiver sees."""

    id: str
    object: Literal["webhook_delivery"] = "webhook_delivery"
    status: DeliveryStatus
    event: str
    event_id: str
    job_id: str | None = Field(description="None if it is a test.")
    endpoint_id: str | None = Field(description="None if the job itself named the address.")
    url: str | None = Field(description="The address that the job itself named.")
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: list[Attempt] = Field(description=f"The last {ATTEMPTS_KEPT}, the oldest first.")


class DeliveryPage(BaseModel):
    """The newest deliveries first."""

    object: Literal["list"] = "list"
    data: list[DeliveryRecord]
    has_more: bool
    next_cursor: str | None


class Deliveries:
    """Lists and repeats each tenant's deliveries; every method raises RedisUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._replay = redis.register_script(with_post(REPLAY.read_text()))
        self._post = redis.register_script(with_post("return deliver(unpack(ARGV))"))

    async def page(self, tenant: str, status: DeliveryStatus | None, cursor: str | None, limit: int) -> DeliveryPage:
        """Up to `limit` deliveries after the cursor; fewer, and still more to come, if few are of that status."""
        key, before = names.DELIVERIES_PREFIX + tenant, f"({int(cursor, 16)}" if cursor else "+inf"
        most = LOOKED_AT if status else limit + 1
        with redis_errors():
            seen = await cast(Any, self._redis).zrevrangebyscore(key, before, "-inf", 0, most, withscores=True)
        found = await self._read(tenant, [delivery_id.decode() for delivery_id, _ in seen])
        data: list[DeliveryRecord] = []
        for delivery_id, place in seen:
            record = found.get(delivery_id.decode())
            if record and status in (None, record.status):
                data.append(record)
            if len(data) == limit and delivery_id != seen[-1][0]:
                return DeliveryPage(data=data, has_more=True, next_cursor=f"{int(place):x}")
        has_more = len(seen) == most
        return DeliveryPage(data=data, has_more=has_more, next_cursor=f"{int(seen[-1][1]):x}" if has_more else None)

    async def counts(self) -> dict[str, int]:
        """How many of all tenants wait, and how many were given up."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.llen(Queue.redis_queue_namespace_prefix + QUEUE)
            pipeline.zcard(StartedJobRegistry.key_template.format(QUEUE))
            pipeline.zcard(ScheduledJobRegistry.key_template.format(QUEUE))
            pipeline.zcount(FailedJobRegistry.key_template.format(QUEUE), time.time(), "+inf")
            with redis_errors():
                *pending, failed = await pipeline.execute()
        return {"pending": sum(pending), "failed": failed}

    async def find(self, tenant: str, delivery_id: str) -> DeliveryRecord:
        """Raises DeliveryNotFound."""
        found = await self._read(tenant, [delivery_id])
        try:
            return found[delivery_id]
        except KeyError:
            raise DeliveryNotFound(f"There is no webhook delivery {delivery_id}, or its time is over.") from None

    async def replay(self, tenant: str, delivery_id: str) -> DeliveryRecord:
        """Has it delivered now, once more if it was already; raises DeliveryNotFound."""
        keys = [registry.key_template.format(QUEUE) for registry in (*ENDED, ScheduledJobRegistry)]
        with redis_errors():
            await self._replay(keys, [delivery_id, tenant, utcformat(now())])
        return await self.find(tenant, delivery_id)

    async def test(self, tenant: str, endpoint_id: str) -> DeliveryRecord:
        """Has an event told that says nothing."""
        with redis_errors():
            delivery_id = await self._post([], [tenant, "", TEST_EVENT, utcformat(now()), endpoint_id])
        return await self.find(tenant, delivery_id.decode())

    async def _read(self, tenant: str, delivery_ids: Sequence[str]) -> dict[str, DeliveryRecord]:
        scheduled = ScheduledJobRegistry.key_template.format(QUEUE)
        async with self._redis.pipeline(transaction=False) as pipeline:
            for each in delivery_ids:
                pipeline.hgetall(Job.key_for(each))
                pipeline.xrevrange(cast(Any, Result).get_key(each), count=ATTEMPTS_KEPT)
                pipeline.zscore(scheduled, each)
            with redis_errors():
                answers = iter(await pipeline.execute())
        stored = zip(delivery_ids, zip(answers, answers, answers, strict=True), strict=True)
        return {
            each: _record(each, *parts)
            for each, parts in stored
            if b"darkroom_delivery" in parts[0] and parts[0].get(b"darkroom_tenant") == tenant.encode()
        }


def _record(
    delivery_id: str, fields: Mapping[Any, Any], results: Sequence[tuple[bytes, Mapping[Any, Any]]], due: float | None
) -> DeliveryRecord:
    job = Job(delivery_id, connection=NO_CONNECTION, serializer=JSONSerializer)
    job.restore(fields)
    delivery = Delivery.model_validate(job.args[0])
    status = STATUSES.get(job.get_status(refresh=False), DeliveryStatus.PENDING)
    return DeliveryRecord(
        id=delivery_id,
        status=status,
        event=delivery.event,
        event_id=delivery.event_id,
        job_id=delivery.job_id or None,
        endpoint_id=None if delivery.endpoint == DEFAULT_ENDPOINT else delivery.endpoint,
        url=delivery.url,
        created_at=job.created_at,
        next_attempt_at=datetime.fromtimestamp(due, UTC) if due and status is DeliveryStatus.PENDING else None,
        attempts=[_attempt(delivery_id, *each) for each in reversed(results)],
    )


def _attempt(delivery_id: str, result_id: bytes, payload: Mapping[Any, Any]) -> Attempt:
    result = Result.restore(delivery_id, result_id.decode(), dict(payload), NO_CONNECTION, serializer=JSONSerializer)
    return Attempt(ended_at=result.created_at, error=result.exc_string)
