from typing import Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from app.contract.announcement import Announcement
from app.contract.catalogue import Catalogue, Defaults, Limits, Model
from app.contract.generation import Task
from app.dependencies import StartedAt, TheCatalogue, TheQueues
from app.problems import RESPONSES

router = APIRouter(prefix="/v1/models", tags=["models"], responses=RESPONSES)


class ControlNetTraits(BaseModel):
    description: str
    tasks: list[Task]


class Traits(BaseModel):
    """What Darkroom says of a model beyond OpenAI's shape."""

    state: Literal["warm", "cold"]
    is_default: bool
    description: str
    tasks: list[Task]
    defaults: Defaults
    limits: Limits
    schedulers: list[str]
    loras: dict[str, str] = Field(description="What each of them does.")
    controlnets: dict[str, ControlNetTraits]
    batched: dict[str, bool] = Field(
        description="Whether all calls of a module share forward passes; while it is warm."
    )
    never_stacked: dict[str, str] = Field(description="Modules whose calls are answered one by one, and why.")


class ModelEntry(BaseModel):
    """A model in the shape of OpenAI's list."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "darkroom"
    darkroom: Traits


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelEntry]


@router.get("")
async def list_models(catalogue: TheCatalogue, queues: TheQueues, started_at: StartedAt) -> ModelList:
    announcements = await queues.announcements()
    return ModelList(data=[_entry(model, catalogue, announcements, started_at) for model in catalogue.models.values()])


@router.get("/{model_id:path}")
async def read_model(model_id: str, catalogue: TheCatalogue, queues: TheQueues, started_at: StartedAt) -> ModelEntry:
    if model_id not in catalogue.models:
        raise HTTPException(404)
    return _entry(catalogue.models[model_id], catalogue, await queues.announcements(), started_at)


def _entry(model: Model, catalogue: Catalogue, announcements: list[Announcement], started_at: int) -> ModelEntry:
    warm = [each for each in announcements if model.name in each.models]
    modules = {counts.module for each in warm for counts in each.modules if counts.model == model.name}
    reasons = {kind.module: kind.reason for each in warm for kind in each.never_stacked if kind.model == model.name}
    traits = Traits(
        state="warm" if warm else "cold",
        is_default=model.name == catalogue.default,
        description=model.description,
        tasks=model.tasks,
        defaults=model.defaults,
        limits=model.limits,
        schedulers=model.schedulers,
        loras={name: lora.description for name, lora in model.loras.items()},
        controlnets={
            name: ControlNetTraits(description=controlnet.description, tasks=model.tasks_of(name))
            for name, controlnet in model.controlnets.items()
        },
        batched={module: module not in reasons for module in sorted(modules)},
        never_stacked=reasons,
    )
    return ModelEntry(id=model.name, created=started_at, darkroom=traits)
