"""The HTTP front end."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from fastapi import Depends, FastAPI
from fastapi.telemetry import TelemetryConfig

from app import problems
from app.auth import Doorkeeper, may_be_open
from app.contract.catalogue import Catalogue
from app.contract.job_list import JobList
from app.contract.queues import Queues
from app.contract.settings import Settings
from app.contract.storage import Storage
from app.contract.tracing import tracer
from app.contract.version import installed_version
from app.courier.deliveries import Deliveries
from app.courier.endpoints import Endpoints
from app.courier.guard import Guard
from app.dependencies import may_administer, may_use
from app.door import Door
from app.events import Events
from app.forecast import Forecasts
from app.metrics import Traffic
from app.middleware import BodyLimit, Envelope
from app.openai.attendance import Attendance
from app.openapi import describe
from app.pictures.intake import Intake
from app.polling import Polls
from app.redis_client import connect, job_store
from app.routes import (
    events,
    health,
    images,
    job,
    job_list,
    jobs,
    metrics,
    models,
    openai_images,
    page,
    previews,
    queue,
    webhooks,
)

NO_TELEMETRY: TelemetryConfig = {  # FastAPI's own, which would send queries and what exceptions say; Envelope traces
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}


def create_app(settings: Settings) -> FastAPI:
    """The application with its own connections.

    Raises CatalogueUnreadable and Unstartable.
    """
    tracing = tracer(settings, "darkroom-api")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with closing(tracing):
            async with connect(settings.redis_address) as redis:
                app.state.store = job_store(redis, settings)
                app.state.job_list = JobList(redis, app.state.store)
                app.state.queues = Queues(redis, retention_s=settings.retention_s)
                app.state.forecasts = Forecasts(app.state.queues, list(app.state.catalogue.models))
                app.state.doorkeeper = Doorkeeper(redis, settings)
                app.state.endpoints = Endpoints(redis)
                app.state.deliveries = Deliveries(redis)
                async with (
                    Events(redis, app.state.store).listening() as app.state.events,
                    Attendance(redis, app.state.store, reattach_s=settings.openai_reattach_s) as app.state.attendance,
                ):
                    yield

    app = FastAPI(
        title="Darkroom",
        version=installed_version(),
        description="Turns prompts into pictures, many at once in one batch.",
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        telemetry=NO_TELEMETRY,
    )
    app.state.catalogue = Catalogue.read(settings.catalogue)
    app.state.storage = Storage(settings.storage_address, redirects=settings.redirect_images)
    app.state.guard = Guard.of(settings)
    app.state.intake = Intake.of(settings)
    app.state.traffic = Traffic()
    app.state.openai_wait_s = settings.openai_wait_s
    app.state.public_url = settings.public_url
    app.state.started_at = int(time.time())
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, max_held_bytes=settings.max_held_bytes)
    app.add_middleware(Polls)
    app.add_middleware(Door)
    app.add_middleware(Envelope, traffic=app.state.traffic, tracer=tracing)  # the last one added is the outermost
    problems.install(app)
    for routes in (job, jobs, job_list, events, images, models, openai_images, previews, queue):
        app.include_router(routes.router, dependencies=[Depends(may_use)])
    app.include_router(webhooks.router, dependencies=[Depends(may_administer)])
    for open_routes in (health, page, *([metrics] if settings.metrics else [])):
        app.include_router(open_routes.router)
    app.openapi = describe(  # type: ignore[method-assign]
        app, app.state.catalogue, app.state.guard, may_be_open=may_be_open(settings)
    )
    return app


def create() -> FastAPI:
    """For `uvicorn --factory app.main:create`."""
    return create_app(Settings())
