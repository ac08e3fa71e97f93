"""Ends jobs as a worker does, in rq's own record."""

import hashlib
from pathlib import Path

from redis import Redis
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer

from app.contract.job import Development, JobError, Progress, StoredImage
from app.contract.storage import FOLDER


def fetch(redis: Redis, job_id: str) -> Job:
    return Job.fetch(job_id, connection=redis, serializer=JSONSerializer)


def store_arguments(redis: Redis, job_id: str, *arguments: object) -> None:
    """Overwrites what was asked for, as another version may have stored it."""
    job = fetch(redis, job_id)
    job.data = JSONSerializer.dumps((job.func_name, None, arguments, {}))
    job.save()


def run(redis: Redis, job_id: str, progress: Progress) -> None:
    job = fetch(redis, job_id)
    job.meta["progress"] = progress.model_dump()
    job.save_meta()
    job.set_status(JobStatus.STARTED)


def finish(redis: Redis, job_id: str, images: Path, pictures: list[bytes]) -> None:
    stored = []
    for n, picture in enumerate(pictures):
        key = f"{job_id}/{n}.png"
        file = images / FOLDER / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture)
        digest = hashlib.sha256(picture).hexdigest()
        size = {"width": 128, "height": 128, "bytes": len(picture)}
        stored.append(StoredImage(key=key, content_type="image/png", sha256=digest, seed=7 + n, **size))
    job = fetch(redis, job_id)
    Result.create(job, Result.Type.SUCCESSFUL, 60, return_value=Development(images=stored).model_dump(mode="json"))
    job.set_status(JobStatus.FINISHED)


def fail(redis: Redis, job_id: str, error: JobError) -> None:
    job = fetch(redis, job_id)
    job.meta["error"] = error.model_dump()
    job.save_meta()
    job.set_status(JobStatus.FAILED)
