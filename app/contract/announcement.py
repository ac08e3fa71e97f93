from datetime import datetime

from pydantic import BaseModel, Field


class ModuleCounts(BaseModel):
    """What one module of a warm model has answered since its worker started; counts only grow."""

    model: str
    module: str
    calls: int
    forwards: int
    rows: int


class NeverStacked(BaseModel):
    """Calls of one module that are answered one by one, and why."""

    model: str
    module: str
    reason: str


class Announcement(BaseModel):
    """What a worker says of itself with every beat; it ends with the worker's lease."""

    worker: str
    started_at: datetime
    device: str
    dtype: str
    capacity: int
    running: int
    models: list[str] = Field(description="The models that are warm.")
    modules: list[ModuleCounts]
    never_stacked: list[NeverStacked]
