"""What a model of the catalogue can be extended with."""

from pydantic import BaseModel, ConfigDict, Field

from app.contract.generation import Task


class Source(BaseModel):
    """Where something is read from: a path, seen from the catalogue's file, or a hub id; safetensors only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    revision: str | None = None
    description: str = ""


class LoraSource(Source):
    """A LoRA's file, or a folder or hub repository of which `weight_name` is the file if there are several."""

    weight_name: str | None = None


class ControlNetSource(Source):
    """A ControlNet's folder or hub repository, and the tasks in which it can be followed; all, if none are named."""

    tasks: list[Task] | None = Field(default=None, min_length=1)
