"""A worker's life: warm the models, claim jobs until told to stop, drain."""

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

from prometheus_client import CollectorRegistry

from app.contract.announcement import Announcement, ModuleCounts, NeverStacked
from app.contract.catalogue import Catalogue
from app.contract.settings import Settings
from app.contract.storage import Storage
from app.contract.tracing import tracer
from worker.dials.engine import EngineDials
from worker.dials.jobs import JobDials
from worker.dials.server import serving
from worker.engine import Engine
from worker.pipelines.memory import budget
from worker.pipelines.placement import Placement, set_threads
from worker.pipelines.warm_models import WarmModels
from worker.pipelines.warming import LoadedModel
from worker.queue import QueueWorker
from worker.redis_client import connect
from worker.retention import forgetting
from worker.task import Workbench, develop, discard
from worker.watchdog import require_progress
from worker.witness import developing

STORAGE_PATIENCE_S = 180.0  # a picture that is made is not thrown away for a minute's outage


def main(settings: Settings, name: str | None = None) -> None:
    """Runs one worker until the first SIGTERM or SIGINT and the end of its jobs."""
    started_at = datetime.now(UTC)
    catalogue, placement = Catalogue.read(settings.catalogue), Placement.choose(settings)
    storage = Storage(settings.storage_address, patience_s=STORAGE_PATIENCE_S)
    set_threads(settings)
    redis = connect(settings.redis_address)
    with (
        closing(tracer(settings, "darkroom-worker")) as tracing,
        Engine(settings.max_rows, placement.device) as engine,
        forgetting(storage, redis, settings.retention_s),
    ):

        def load(name: str) -> LoadedModel:
            return LoadedModel.load(catalogue.models[name], placement, engine)

        registry = CollectorRegistry()
        models = WarmModels(load, budget(settings, placement.device), engine.limit_memory)
        workbench = Workbench(engine, models, storage, dials=JobDials(catalogue.models, registry))

        def announce() -> Announcement:
            require_progress(engine, settings.stall_s)
            return _announcement(worker, engine, models, placement, started_at)

        worker = QueueWorker(
            list(catalogue.models),
            name,
            connection=redis,
            develop=partial(develop, workbench=workbench),
            discard=partial(discard, storage=storage),
            observe=partial(developing, tracer=tracing),
            announce=announce,
            capacity=settings.max_jobs,
            lease_s=settings.lease_s,
            grace_s=settings.grace_s,
        )
        registry.register(EngineDials(worker, engine, models, placement.device))
        with serving(
            settings.host,
            settings.metrics_port,
            registry,
            is_alive=lambda: engine.stalled_s <= settings.stall_s,
            is_ready=lambda: worker.is_at_work,
        ):
            models.warm(sorted(catalogue.models, key=lambda name: name != catalogue.default))  # the default first
            worker.work()


def _announcement(
    worker: QueueWorker, engine: Engine, models: WarmModels, placement: Placement, started_at: datetime
) -> Announcement:
    stats = engine.stats()
    return Announcement(
        worker=worker.name,
        started_at=started_at,
        device=str(placement.device),
        dtype=str(placement.dtype).removeprefix("torch."),
        capacity=worker.capacity,
        running=len(worker.claims),
        models=models.names,
        modules=[ModuleCounts.model_validate(each, from_attributes=True) for each in stats.modules],
        never_stacked=[NeverStacked(**asdict(each)) for each in stats.never_stacked],
        paces=worker.pacer.paces,
    )
