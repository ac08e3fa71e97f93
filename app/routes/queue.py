from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.dependencies import TheCatalogue, TheForecasts, TheQueues
from app.problems import RESPONSES

router = APIRouter(prefix="/v1/queue", tags=["queue"], responses=RESPONSES)


class QueueState(BaseModel):
    """How busy a model is."""

    model: str
    depth: int = Field(description="Jobs that wait.")
    running: int
    workers: int = Field(description="Workers that have the model warm.")
    oldest_s: float | None = Field(description="How long the first of the queue has been waiting.")
    step_s: float | None = Field(description="From one step of a job to its next, as measured lately.")
    job_s: float | None = Field(description="What one job takes of a worker's time; jobs that run together share it.")
    eta_s: float | None = Field(description="Until the pictures of a job that is sent now, with the model's own steps.")


class QueueList(BaseModel):
    object: Literal["list"] = "list"
    data: list[QueueState]


@router.get("")
async def read_queue(catalogue: TheCatalogue, queues: TheQueues, forecasts: TheForecasts) -> QueueList:
    """How many jobs wait and run, and when the next one's pictures can be expected."""
    models = list(catalogue.models)
    counts, oldest = await queues.counts(models), await queues.oldest(models)
    states = []
    for name, model in catalogue.models.items():
        forecast = await forecasts.of(name)
        waits = datetime.now(UTC) - oldest[name] if name in oldest else None
        states.append(
            QueueState(
                model=name,
                depth=counts[name].queued,
                running=counts[name].running,
                workers=forecast.workers,
                oldest_s=max(0.0, round(waits.total_seconds(), 1)) if waits else None,
                step_s=forecast.step_s,
                job_s=forecast.job_s,
                eta_s=forecast.eta_s(counts[name].queued, model.defaults.num_inference_steps),
            )
        )
    return QueueList(data=states)
