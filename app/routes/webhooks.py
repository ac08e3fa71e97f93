from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.contract.errors import InvalidField
from app.contract.generation import WebhookEvent
from app.courier.deliveries import CURSOR, DeliveryPage, DeliveryRecord, DeliveryStatus
from app.courier.endpoints import Endpoint, EndpointWithSecret, Secret
from app.courier.guard import EgressRefused
from app.dependencies import TheDeliveries, TheEndpoints, TheGuard, TheTenant, require_json
from app.problems import RESPONSES

router = APIRouter(prefix="/v1", tags=["webhooks"], responses=RESPONSES)

EndpointId = Annotated[str, Path(pattern=r"^we_[0-9a-f]{24}$")]
DeliveryId = Annotated[str, Path(pattern=r"^msg_[0-9a-f]{40}$")]
PageSize = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(pattern=CURSOR, description="`next_cursor` of the page before.")]


class EndpointRequest(BaseModel):
    """Where the ends of all jobs are told."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    url: str = Field(max_length=2048)
    events: list[WebhookEvent] = Field(default_factory=lambda: list(get_args(WebhookEvent)), min_length=1)


class EndpointList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Endpoint]


@router.post("/webhook_endpoints", status_code=201, dependencies=[Depends(require_json)])
async def create_endpoint(
    body: EndpointRequest, endpoints: TheEndpoints, guard: TheGuard, tenant: TheTenant
) -> EndpointWithSecret:
    """Has the ends of all jobs told to an address; the secret that signs them is shown here alone."""
    try:
        guard.check(body.url)
    except EgressRefused as refused:
        raise InvalidField("url", str(refused)) from None
    return await endpoints.create(tenant, body.url, body.events)


@router.get("/webhook_endpoints")
async def list_endpoints(endpoints: TheEndpoints, tenant: TheTenant) -> EndpointList:
    return EndpointList(data=await endpoints.all_of(tenant))


@router.get("/webhook_endpoints/{endpoint_id}")
async def read_endpoint(endpoint_id: EndpointId, endpoints: TheEndpoints, tenant: TheTenant) -> Endpoint:
    return await endpoints.find(tenant, endpoint_id)


@router.delete("/webhook_endpoints/{endpoint_id}", status_code=204)
async def delete_endpoint(endpoint_id: EndpointId, endpoints: TheEndpoints, tenant: TheTenant) -> None:
    """Sends nothing there any more, nor what waits to be sent."""
    await endpoints.delete(tenant, endpoint_id)


@router.post("/webhook_endpoints/{endpoint_id}/rotate_secret")
async def rotate_secret(endpoint_id: EndpointId, endpoints: TheEndpoints, tenant: TheTenant) -> EndpointWithSecret:
    """Gives the endpoint a new secret; the one before signs along for 24 hours."""
    return await endpoints.rotate(tenant, endpoint_id)


@router.post("/webhook_endpoints/{endpoint_id}/enable")
async def enable_endpoint(endpoint_id: EndpointId, endpoints: TheEndpoints, tenant: TheTenant) -> Endpoint:
    """Sends there again after the endpoint has answered 410."""
    return await endpoints.enable(tenant, endpoint_id)


@router.post("/webhook_endpoints/{endpoint_id}/test", status_code=202)
async def test_endpoint(
    endpoint_id: EndpointId, endpoints: TheEndpoints, deliveries: TheDeliveries, tenant: TheTenant
) -> DeliveryRecord:
    """Sends a `webhook.test` event there."""
    await endpoints.find(tenant, endpoint_id)
    return await deliveries.test(tenant, endpoint_id)


@router.get("/webhooks/default/secret")
async def read_default_secret(endpoints: TheEndpoints, tenant: TheTenant) -> Secret:
    """The secret that signs what goes to the `webhook` of a single job."""
    return await endpoints.default_secret(tenant)


@router.post("/webhooks/default/rotate_secret")
async def rotate_default_secret(endpoints: TheEndpoints, tenant: TheTenant) -> Secret:
    """Gives the webhooks of single jobs a new secret; the one before signs along for 24 hours."""
    return await endpoints.rotate_default(tenant)


@router.get("/webhook_deliveries")
async def list_deliveries(
    deliveries: TheDeliveries,
    tenant: TheTenant,
    status: DeliveryStatus | None = None,
    cursor: Cursor = None,
    limit: PageSize = 20,
) -> DeliveryPage:
    """The newest first; a page may hold fewer than `limit` while there is more to come."""
    return await deliveries.page(tenant, status, cursor, limit)


@router.get("/webhook_deliveries/{delivery_id}")
async def read_delivery(delivery_id: DeliveryId, deliveries: TheDeliveries, tenant: TheTenant) -> DeliveryRecord:
    return await deliveries.find(tenant, delivery_id)


@router.post("/webhook_deliveries/{delivery_id}/replay", status_code=202)
async def replay_delivery(delivery_id: DeliveryId, deliveries: TheDeliveries, tenant: TheTenant) -> DeliveryRecord:
    """Delivers now, with the same `webhook-id`: once more what arrived, and at last what did not."""
    return await deliveries.replay(tenant, delivery_id)
