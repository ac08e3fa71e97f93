"""The whole service as it runs on a compose stack: asked over HTTP, through haproxy."""

import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
from redis import Redis

from app.contract.job import JobStatus
from tests.deploy import compose
from tests.deploy.engine import docker
from tests.deploy.ledger import Figure, Jobs
from tests.deploy.site import Site

PATIENCE_S = 600.0  # generous: all of it may share two cores
LOOK_AGAIN_S = 0.2
WEBHOOK_PORT = 8443  # of those that the guard allows
DOCKERS_OWN = "172.16.0.0/12,192.168.0.0/16"  # of which it gives each network a range
REDIS_PASSWORD = "darkroom"  # noqa: S105 - what the compose file takes if it is told of none

Job = dict[str, Any]


class Service:
    def __init__(self, stack: compose.Stack, key: str | None = None) -> None:
        self.stack = stack
        self.known: set[str] = set()  # all jobs that it was ever given
        self.http = httpx.Client(
            base_url=stack.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=60,
            trust_env=False,
            follow_redirects=True,
        )

    def submit(self, **body: Any) -> str:
        """The id of the job."""
        job_id = str(self.http.post("/v1/jobs", json=body).raise_for_status().json()["id"])
        self.known.add(job_id)
        return job_id

    def job(self, job_id: str, wait_s: int = 0) -> Job:
        return dict(self.http.get(f"/v1/jobs/{job_id}", params={"wait": wait_s}).raise_for_status().json())

    def ended(self, job_id: str) -> Job:
        self.until(lambda: JobStatus(self.job(job_id, wait_s=10)["status"]).is_terminal, f"{job_id} has not ended")
        return self.job(job_id)

    @property
    def workers(self) -> int | None:
        """How many the API counts; None if it is not ready."""
        try:
            answer = self.http.get("/readyz")
        except httpx.TransportError:
            return None
        return int(answer.json()["workers"]) if answer.is_success else None

    def until_ready(self, workers: int = 1) -> float:
        """Until so many workers have their models warm; the seconds that it took."""
        return self.until(lambda: self.workers == workers, f"there are not {workers} workers")

    def recreate(self, name: str) -> float:
        """As an operator rolls: this one alone, and the next only when it is healthy. The seconds that it took."""
        began = time.monotonic()
        self.stack.recreate(name)
        self.until_healthy(name)
        return time.monotonic() - began

    def until_healthy(self, name: str) -> None:
        containers = self.stack.containers(name)
        self.until(lambda: all(map(_is_healthy, containers)), f"{name} is not healthy")

    @property
    def gateway(self) -> str:
        """This machine's address on the network of the stack."""
        return self._network("haproxy")["Gateway"]

    def redis(self) -> Redis:
        return Redis(self._network("redis")["IPAddress"], password=REDIS_PASSWORD)

    def none_lost(self, jobs: Jobs) -> Figure:
        self.known.update(jobs.seen)
        with self.redis() as redis:
            return jobs.none_lost(redis, self.known)

    def until(self, holds: Callable[[], bool], complaint: str) -> float:
        """The seconds that it took; raises TimeoutError."""
        began = time.monotonic()
        while not holds():
            if time.monotonic() - began > PATIENCE_S:
                raise TimeoutError(f"After {PATIENCE_S:g} s {complaint}.")
            time.sleep(LOOK_AGAIN_S)
        return time.monotonic() - began

    def _network(self, name: str) -> dict[str, str]:
        [container] = self.stack.containers(name)
        [network] = _inspect(container)["NetworkSettings"]["Networks"].values()
        return dict(network)


@cache
def standing(site: Site) -> Service:
    """One for all cases, with a warm worker; it goes with the site."""
    stack = site.resources.enter_context(compose.stack(site, DARKROOM_EGRESS_ALLOW=DOCKERS_OWN))
    service = Service(stack)
    service.until_ready()
    return service


def _is_healthy(container: str) -> bool:
    """Healthy by its own check; without one, it runs."""
    state = _inspect(container)["State"]
    return bool(state["Health"]["Status"] == "healthy" if "Health" in state else state["Running"])


def _inspect(container: str) -> dict[str, Any]:
    [found] = json.loads(docker("inspect", container))
    return dict(found)
