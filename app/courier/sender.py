"""One attempt to deliver: look up what to say and to whom, sign it, send it, and judge the answer."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from redis.asyncio import Redis

from app.contract.delivery import DEFAULT_ENDPOINT, TEST_EVENT, Delivery, Receipt
from app.contract.errors import EndpointNotFound, JobErased, JobNotFound, Undelivered
from app.contract.job import JobRecord
from app.contract.links import Links, read_links
from app.contract.settings import Settings
from app.courier.doors import Doors
from app.courier.endpoints import Endpoints
from app.courier.event import body_of
from app.courier.guard import EgressRefused, Guard, GuardedTransport
from app.courier.signing import sign
from app.redis_client import connect, job_store

CONNECT_S = 5.0
TOTAL_S = 15.0  # of one attempt, with looking the name up and reading the answer
PLACES = 8  # requests to one receiver at once
MOST_ALIKE = 48  # deliveries to one receiver, or of one tenant, of the 64 that a courier has in hand
MOST_ANSWER_BYTES = 65_536
GONE = 410
BUSY = (429, 503)  # whose Retry-After counts


class Sender:
    """Sends deliveries, each to a receiver that may be called and has a place free."""

    def __init__(self, redis: Redis, settings: Settings, client: httpx.AsyncClient, total_s: float) -> None:
        self._redis = redis
        self._settings = settings
        self._client = client
        self._total_s = total_s
        self._store = job_store(redis, settings)
        self._endpoints = Endpoints(redis)
        self._tenants = Doors(MOST_ALIKE, MOST_ALIKE)
        self._receivers = Doors(PLACES, MOST_ALIKE)
        self._links: Links | None = None

    async def send(self, delivery_id: str, delivery: Delivery) -> Receipt:
        """Raises Undelivered, Full and RedisUnavailable."""
        url = await self._address(delivery)
        receiver = httpx.URL(url).netloc.decode()
        async with self._tenants.visit(delivery.tenant), self._receivers.visit(receiver):
            keys = await self._endpoints.keys(delivery.tenant, delivery.endpoint)
            body = body_of(delivery, await self._record(delivery), await self._read_links())
            answer = await self._post(url, body, sign(delivery_id, int(time.time()), body, keys))
        if answer.is_success:
            return Receipt(status_code=answer.status_code)
        if answer.status_code == GONE and delivery.endpoint != DEFAULT_ENDPOINT:
            await self._endpoints.disable(delivery.tenant, delivery.endpoint)
        retry_after_s = _retry_after_s(answer) if answer.status_code in BUSY else 0.0
        is_gone = answer.status_code == GONE
        raise Undelivered(f"The receiver answered {answer.status_code}.", retry_after_s=retry_after_s, final=is_gone)

    async def _address(self, delivery: Delivery) -> str:
        if delivery.url:
            return delivery.url
        try:
            endpoint = await self._endpoints.find(delivery.tenant, delivery.endpoint)
        except EndpointNotFound:
            raise Undelivered("The endpoint was deleted.", final=True) from None
        if endpoint.disabled_at:
            raise Undelivered("The endpoint is disabled.", final=True)
        return endpoint.url

    async def _record(self, delivery: Delivery) -> JobRecord | None:
        if delivery.event == TEST_EVENT:
            return None
        try:
            return await self._store.find(delivery.job_id, tenant=delivery.tenant)
        except (JobNotFound, JobErased):
            return None

    async def _read_links(self) -> Links:
        self._links = self._links or await read_links(self._redis, self._settings)
        return self._links

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        answer: httpx.Response | None = None
        sent = {**headers, "content-type": "application/json"}
        try:
            async with (
                asyncio.timeout(self._total_s),
                self._client.stream("POST", url, content=body, headers=sent) as answer,
            ):
                await _read_some(answer)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, EgressRefused) as error:
            if answer is None:  # else it has said what counts
                raise Undelivered(_reason(error)) from error
        return answer


@asynccontextmanager
async def sending(settings: Settings, total_s: float = TOTAL_S) -> AsyncIterator[Sender]:
    """A sender with connections of its own."""
    async with (
        connect(settings.redis_address) as redis,
        httpx.AsyncClient(
            transport=GuardedTransport(Guard.of(settings)),
            trust_env=False,
            timeout=httpx.Timeout(total_s, connect=CONNECT_S),
            headers={"user-agent": "Darkroom"},
        ) as client,
    ):
        yield Sender(redis, settings, client, total_s)


async def _read_some(answer: httpx.Response) -> None:
    """Lets the receiver finish its sentence; what it says is of no interest."""
    seen = 0
    async for part in answer.aiter_raw():
        seen += len(part)
        if seen >= MOST_ANSWER_BYTES:
            return


def _reason(error: Exception) -> str:
    match error:
        case EgressRefused():
            return f"The address may not be called. {error}"
        case TimeoutError() | httpx.TimeoutException():
            return "The receiver did not answer in time."
        case httpx.ConnectError():
            return f"The receiver could not be connected to: {error}"  # as by what is wrong with its certificate
        case _:
            return "The receiver did not answer as HTTP wants it."


def _retry_after_s(answer: httpx.Response) -> float:
    asked = answer.headers.get("retry-after", "")
    if asked.isdecimal():
        return float(asked)
    with suppress(ValueError, OverflowError):
        return (parsedate_to_datetime(asked).astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return 0.0
