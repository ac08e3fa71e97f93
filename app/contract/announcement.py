from datetime import datetime

from pydantic import BaseModel, Field


class ModuleCounts(BaseModel):
    """What one module of a warm model has answered since its worker started; counts only grow."""

    model: str
    module: str
    calls: int
    forwards: int
    rows: int


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
    never_stacked: list[str] = Field(description="Calls that are answered one by one, each with the reason.")
