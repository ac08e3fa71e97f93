import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from rq.job import Job as RqJob

from app.client import Client
from app.contract import names
from app.contract.job import Job
from tests.deploy.report import Line
from tests.deploy.service import PATIENCE_S, Service, standing
from tests.deploy.site import Site

BODY = {"prompt": "a red cat", "num_inference_steps": 4}
JOBS = 48
MANY, FEW = 96, 4
SLACK = 4  # turns of the other tenant for one of theirs; it would be one, if workers took one job at a time
LEAST = JOBS // 8  # of one of two workers


def workers(site: Site) -> Iterator[Line]:
    """The API asks for keys, and one worker becomes two."""
    service = standing(site)
    service.stack.environment["DARKROOM_AUTH"] = "keys"
    service.stack.up()
    service.until_ready()
    refused = service.http.get("/v1/jobs").status_code
    busy, modest = _Tenant.of(service, "busy"), _Tenant.of(service, "modest")
    alone = busy.ended(busy.submit(JOBS))
    yield Line(
        "with keys asked for, who has one is served", f"{refused} without, {len(alone)} jobs with", refused == 401
    )
    service.stack.up("worker", worker=2)
    service.until_ready(workers=2)
    together = busy.ended(busy.submit(JOBS))
    yield _both_work(service, busy, together)
    yield _throughput(alone, together)
    yield _fair(busy, modest)


@dataclass(frozen=True)
class _Tenant:
    name: str
    client: Client

    @classmethod
    def of(cls, service: Service, name: str) -> "_Tenant":
        """Its key is made in a container."""
        key = service.stack.run("api-1", "darkroom", "keys", "create", "--name", name, "--tenant", name).split()[-1]
        return cls(name, Client(service.stack.url, key))

    def submit(self, number: int) -> list[Job]:
        return [self.client.submit(BODY) for _ in range(number)]

    def ended(self, jobs: list[Job]) -> list[Job]:
        return [self.client.wait(job, PATIENCE_S, on_change=lambda _: None) for job in jobs]


def _both_work(service: Service, tenant: _Tenant, jobs: list[Job]) -> Line:
    with service.redis() as redis:
        keys = [RqJob.key_for(names.record_id(tenant.name, job.id)) for job in jobs]
        taken = Counter(cast(bytes, redis.hget(key, "worker_name")) for key in keys)
    figure = " and ".join(str(number) for _, number in taken.most_common())
    return Line(
        "of two workers both take work",
        f"{figure} of {len(jobs)} jobs",
        len(taken) == 2 and min(taken.values()) >= LEAST,
    )


def _throughput(alone: list[Job], together: list[Job]) -> Line:
    one, two = _per_second(alone), _per_second(together)
    figure = f"{one:.1f} jobs/s by one, {two:.1f} by two, on {os.cpu_count()} cores that they share"
    return Line("a second worker does not slow the first down by half", figure, two > one / 2)


def _per_second(jobs: list[Job]) -> float:
    ends = [cast(datetime, job.ended_at) for job in jobs]
    return len(jobs) / (max(ends) - min(job.created_at for job in jobs)).total_seconds()


def _fair(busy: _Tenant, modest: _Tenant) -> Line:
    """What is already in the workers' hands when the few jobs come is before them in any case."""
    flood = busy.submit(MANY)
    few = modest.ended(modest.submit(FEW))
    came, started = max(job.created_at for job in few), max(_start(job) for job in few)
    later = [start for start in map(_start, busy.ended(flood)) if start > came]
    before = sum(start < started for start in later)
    return Line(
        f"a tenant's {FEW} jobs do not wait for the {MANY} of another",
        f"{before} of the {len(later)} that still wait start before the last of the {FEW}",
        before <= FEW * SLACK < len(later),
    )


def _start(job: Job) -> datetime:
    return cast(datetime, job.started_at)
