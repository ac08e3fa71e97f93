from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel

from app.contract.errors import RedisUnavailable
from app.dependencies import TheCatalogue, TheDeliveries, TheQueues, TheTraffic
from app.metrics import Fleet, render
from app.problems import RESPONSES

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    status: str = "alive"


class Ready(BaseModel):
    status: str = "ready"
    workers: int


@router.get("/livez")
async def livez() -> Alive:
    """Whether this process answers; it asks nobody else, so that a lost Redis restarts no replica."""
    return Alive()


@router.get("/readyz", responses=RESPONSES)
async def readyz(queues: TheQueues) -> Ready:
    """Whether jobs can be taken: Redis answers. They may be taken, and wait, while no worker lives."""
    return Ready(workers=len(await queues.announcements()))


@router.get("/metrics", response_class=Response)
async def metrics(
    queues: TheQueues, deliveries: TheDeliveries, catalogue: TheCatalogue, traffic: TheTraffic
) -> Response:
    try:
        counts = await queues.counts(list(catalogue.models))
        fleet = Fleet(await queues.announcements(), counts, await deliveries.counts())
    except RedisUnavailable:
        fleet = None
    return Response(render(traffic, fleet), media_type=CONTENT_TYPE_PLAIN_0_0_4)
