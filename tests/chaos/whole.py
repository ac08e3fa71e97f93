import asyncio
import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from redis import Redis

from tests.chaos.census import places
from tests.chaos.form import Form
from tests.chaos.history import History
from tests.chaos.scene import Scene
from tests.chaos.verdict import Verdict
from tests.service.conftest import Service

JOBS = 32
KILLS = 2
ENDED = ("succeeded", "failed", "canceled")


async def the_worker_of_darkroom_up_is_killed(scene: Scene, form: Form) -> Verdict:  # noqa: ARG001 - it is short
    """The whole service as a user starts it, with `mini`, over HTTP; its own supervisor does the rest."""
    return await asyncio.to_thread(_play, scene)


def _play(scene: Scene) -> Verdict:
    service = Service(scene.folder / "up")
    try:
        jobs = [service.post(prompt="a cat wearing a space helmet", seed=seed)["id"] for seed in range(JOBS)]
        for kill in range(KILLS):
            service.wait_for(partial(_is_midway, service, jobs, kill + 1))
            service.worker().kill()
        ended = [service.ended(job) for job in jobs]
        complaints = [*_complaints(service, ended), *_wrong_places(service, jobs)]
    finally:
        service.stop()
    published = History(service.state_dir).published
    return Verdict(
        "`darkroom up` with mini",
        f"{KILLS} kill -9 of its worker",
        JOBS,
        lost=[job["id"] for job in ended if job["status"] not in ENDED],
        published_twice=[job for job in jobs if len(published[job]) > 1],
        complaints=complaints,
    )


def _is_midway(service: Service, job_ids: list[str], attempt: int) -> bool:
    jobs = map(service.job, job_ids)
    return any(job["attempt"] == attempt and job["status"] == "running" and job["progress"]["step"] > 5 for job in jobs)


def _complaints(service: Service, ended: list[dict[str, Any]]) -> Iterator[str]:
    for job in ended:
        if job["status"] != "succeeded":
            yield f"{job['id']} is {job['status']}: {job['error']}"
        elif hashlib.sha256(service.image(job)).hexdigest() != job["images"][0]["sha256"]:
            yield f"{job['id']} shows another picture"


def _wrong_places(service: Service, jobs: list[str]) -> Iterator[str]:
    with Redis.from_url(service.redis_url) as redis:
        counts = places(redis)
    yield from (f"{job} is in {counts[job]} registries" for job in jobs if counts[job] != 1)
