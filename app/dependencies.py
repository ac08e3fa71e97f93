"""What the routes work with, as types: a handler's signature says what it needs.

All are coroutines: FastAPI would send a plain function to a thread, once for every request.
"""

import re
from typing import Annotated

from fastapi import Depends, Header, Path, Request

from app.answers import Answers
from app.auth import Caller, Doorkeeper
from app.contract.catalogue import Catalogue
from app.contract.errors import KeyInvalid
from app.contract.job_store import JobStore
from app.contract.keys import Scope
from app.contract.links import Links
from app.contract.queues import Queues
from app.contract.storage import Storage
from app.courier.deliveries import Deliveries
from app.courier.endpoints import Endpoints
from app.courier.guard import Guard
from app.events import Events
from app.forecast import Forecasts
from app.metrics import Traffic
from app.problems import UnsupportedMediaType
from app.submission import Submission

JSON_TYPE = re.compile(r"application/(?:[\w.-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)


async def _caller(request: Request) -> Caller:
    caller: Caller | None = request.scope.get("caller")
    if caller is None:
        raise KeyInvalid("This path is not open.")  # a route under /v1 that the door did not see
    return caller


TheCaller = Annotated[Caller, Depends(_caller)]


async def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue


async def _store(request: Request) -> JobStore:
    store: JobStore = request.app.state.store
    return store


async def _queues(request: Request) -> Queues:
    queues: Queues = request.app.state.queues
    return queues


async def _forecasts(request: Request) -> Forecasts:
    forecasts: Forecasts = request.app.state.forecasts
    return forecasts


async def _submission(request: Request, caller: TheCaller) -> Submission:
    state = request.app.state
    return Submission(state.catalogue, state.store, state.storage, state.intake, caller.quota, state.guard)


async def _events(request: Request) -> Events:
    events: Events = request.app.state.events
    return events


async def _storage(request: Request) -> Storage:
    storage: Storage = request.app.state.storage
    return storage


async def _endpoints(request: Request) -> Endpoints:
    endpoints: Endpoints = request.app.state.endpoints
    return endpoints


async def _deliveries(request: Request) -> Deliveries:
    deliveries: Deliveries = request.app.state.deliveries
    return deliveries


async def _guard(request: Request) -> Guard:
    guard: Guard = request.app.state.guard
    return guard


async def _traffic(request: Request) -> Traffic:
    traffic: Traffic = request.app.state.traffic
    return traffic


async def _started_at(request: Request) -> int:
    started_at: int = request.app.state.started_at
    return started_at


async def _tenant(caller: TheCaller) -> str:
    return caller.tenant


async def _links(request: Request) -> Links:
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    return await doorkeeper.links()


async def _answers(request: Request) -> Answers:
    return Answers(await _links(request), request.app.state.forecasts)


async def may_use(request: Request, caller: TheCaller) -> None:
    """Lets who has the scope `read` look, and who has `submit` do the rest."""
    caller.require(Scope.READ if request.method == "GET" else Scope.SUBMIT)


async def may_administer(caller: TheCaller) -> None:
    caller.require(Scope.ADMIN)


async def require_json(request: Request) -> None:
    if not JSON_TYPE.fullmatch(request.headers.get("content-type", "")):
        raise UnsupportedMediaType


TheCatalogue = Annotated[Catalogue, Depends(_catalogue)]
TheStore = Annotated[JobStore, Depends(_store)]
TheQueues = Annotated[Queues, Depends(_queues)]
TheForecasts = Annotated[Forecasts, Depends(_forecasts)]
TheAnswers = Annotated[Answers, Depends(_answers)]
TheSubmission = Annotated[Submission, Depends(_submission)]
TheEvents = Annotated[Events, Depends(_events)]
TheStorage = Annotated[Storage, Depends(_storage)]
TheEndpoints = Annotated[Endpoints, Depends(_endpoints)]
TheDeliveries = Annotated[Deliveries, Depends(_deliveries)]
TheGuard = Annotated[Guard, Depends(_guard)]
TheTraffic = Annotated[Traffic, Depends(_traffic)]
TheTenant = Annotated[str, Depends(_tenant)]
TheLinks = Annotated[Links, Depends(_links)]
StartedAt = Annotated[int, Depends(_started_at)]
JobId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
IdempotencyKey = Annotated[
    str | None, Header(pattern=r"^[!-~]{1,255}$", description="A repeat with the same key gives the same job.")
]
ImageIndex = Annotated[str, Path(pattern=r"^(0|[1-9][0-9]{0,3})$")]  # one spelling for each picture
