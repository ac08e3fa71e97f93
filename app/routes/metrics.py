from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from app.contract.errors import RedisUnavailable
from app.dependencies import TheCatalogue, TheDeliveries, TheQueues, TheTraffic
from app.metrics import Fleet, render

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(
    queues: TheQueues, deliveries: TheDeliveries, catalogue: TheCatalogue, traffic: TheTraffic
) -> Response:
    try:
        models = list(catalogue.models)
        fleet = Fleet(
            await queues.announcements(),
            await queues.counts(models),
            await queues.waiting(models),
            await queues.tally(),
            await deliveries.counts(),
        )
    except RedisUnavailable:
        fleet = None
    return Response(render(traffic, fleet), media_type=CONTENT_TYPE_PLAIN_0_0_4)
