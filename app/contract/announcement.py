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


class Pace(BaseModel):
    """How fast a worker has developed one model's jobs lately."""

    model: str
    step_s: float = Field(description="From one step of a job to its next, in the company that it had.")
    job_s: float = Field(description="What a job took of the worker's time; the jobs that run at once share it.")


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
    paces: list[Pace] = Field(default_factory=list)
