"""What became of a request: the `job` of the API, read from rq's record."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.contract import names
from app.contract.generation import Generation
from app.contract.links import Links


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


class Progress(BaseModel):
    """How far a running job is: all its pictures develop together, step by step."""

    step: int = 0
    total_steps: int


class StoredImage(BaseModel):
    """One picture as the worker stored it; `key` is its place in the storage."""

    key: str
    content_type: str
    width: int
    height: int
    bytes: int
    sha256: str
    seed: int


class Development(BaseModel):
    """What a worker returns for a job that succeeded; rq keeps it as the job's result."""

    images: list[StoredImage]
    warnings: list[str] = Field(default_factory=list)
    timings: dict[str, float] = Field(default_factory=dict, description="Seconds by part.")


class JobError(BaseModel):
    code: str
    message: str


class JobRecord(BaseModel):
    """A job as it stands in Redis, with nothing that depends on who asks."""

    id: str = Field(description="As its tenant knows it.")
    tenant: str
    status: JobStatus
    generation: Generation
    version: str = Field(default="", description="Another one after every change that a caller can see.")
    ahead: int | None = Field(default=None, description="How many jobs come before it, while it is in its queue.")
    progress: Progress
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempt: int = Field(default=0, description="How often a worker has started it.")
    development: Development | None = None
    error: JobError | None = None
    is_replayed: bool = Field(default=False, description="Whether it was there before it was submitted.")

    @property
    def model(self) -> str:
        return self.generation.model

    @property
    def record_id(self) -> str:
        """Its id in Redis and the name of its folder in the storage."""
        return names.record_id(self.tenant, self.id)

    @property
    def deadline_at(self) -> datetime | None:
        """When the job expires if it has not started."""
        deadline_s = self.generation.deadline_s
        return self.created_at + timedelta(seconds=deadline_s) if deadline_s else None


class Image(BaseModel):
    """One picture as a caller sees it."""

    index: int
    url: str
    content_type: str
    width: int
    height: int
    bytes: int
    sha256: str
    seed: int


class QueuePlace(BaseModel):
    """Where a job stands as long as it waits."""

    position: int = Field(ge=1, description="1 for the next one.")
    eta_s: float | None = Field(description="Seconds until its pictures; null as long as nobody knows.")


class Job(BaseModel):
    """The one resource of the native API."""

    id: str
    object: Literal["job"] = "job"
    status: JobStatus
    model: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    deadline_at: datetime | None
    attempt: int
    queue: QueuePlace | None
    progress: Progress
    request: Generation
    images: list[Image]
    warnings: list[str]
    timings: dict[str, float]
    error: JobError | None
    urls: dict[str, str]

    @classmethod
    def of(cls, record: JobRecord, links: Links | None = None, queue: QueuePlace | None = None) -> "Job":
        """What a caller sees of the record; with links, its pictures have addresses that need no key."""
        sign = links.sign if links else lambda path, _tenant: path
        self_url = f"/v1/jobs/{record.id}"
        development = record.development or Development(images=[])
        return cls(
            model=record.model,
            queue=queue,
            request=record.generation,
            images=[
                Image(index=n, url=sign(f"{self_url}/images/{n}", record.tenant), **image.model_dump(exclude={"key"}))
                for n, image in enumerate(development.images)
            ],
            warnings=development.warnings,
            timings=development.timings,
            urls={"self": self_url, "cancel": f"{self_url}/cancel", "events": f"{self_url}/events"},
            **_same_fields(record),
        )


def _same_fields(record: JobRecord) -> dict[str, Any]:
    names = ("id", "status", "created_at", "started_at", "ended_at", "deadline_at", "attempt", "progress", "error")
    return {name: getattr(record, name) for name in names}
