"""The images under `docker run` at its strictest."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import httpx

from tests.deploy.builds import built
from tests.deploy.engine import DockerFailed, docker
from tests.deploy.report import Line
from tests.deploy.site import Site
from tests.deploy.stand_ins import images

NETWORK = "darkroom-test-hardened"
STRICT = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges:true", "--pids-limit=512")
PASSWORD = "darkroom"  # noqa: S105 - without one, Redis answers nobody but its own machine
REDIS = ("redis-server", "--requirepass", PASSWORD, "--appendonly", "yes")
PATIENCE_S = 240.0
GRACE_S = 60
STEPS = 50


def hardened(site: Site) -> Iterator[Line]:
    """A job goes its whole way; nobody is root; who is asked to stop brings it to an end."""
    with _containers(site) as containers:
        with httpx.Client(base_url=_address(containers["api"]), timeout=90, trust_env=False) as http:
            yield _healthy({name: containers[name] for name in ("api", "courier", "worker")})
            _until(lambda: http.get("/readyz").json()["workers"] == 1, "no worker is warm")
            yield _serves(http)
            yield _nobody_is_root(containers)
            yield _drains(http, containers["worker"])
        for name in ("api", "courier"):
            took_s, status = _stopped(containers[name])
            yield Line(f"`{name}` ends in peace at SIGTERM", f"status {status} after {took_s:.1f} s", status == 0)


@contextmanager
def _containers(site: Site) -> Iterator[dict[str, str]]:
    """The ids of redis, api, courier and worker; one after the other, for each needs those before it."""
    names = {"redis": images(site)["REDIS_IMAGE"], **built(site).names}
    with ExitStack() as cleaning:
        docker("network", "create", NETWORK)
        cleaning.callback(docker, "network", "rm", NETWORK)
        docker("volume", "create", NETWORK)
        cleaning.callback(docker, "volume", "rm", NETWORK)
        running = {}
        for name, image in names.items():
            running[name] = docker(
                "run", "--detach", f"--network={NETWORK}", f"--network-alias={name}", *_as(name, image)
            )
            cleaning.callback(docker, "rm", "--force", "--volumes", running[name])
        yield running


def _as(name: str, image: str) -> tuple[str, ...]:
    if name == "redis":
        return (*STRICT, "--user=redis", image, *REDIS)
    settings = (f"--env=DARKROOM_REDIS_URL=redis://:{PASSWORD}@redis:6379/0", "--env=DARKROOM_AUTH=open")
    return (*STRICT, *settings, f"--volume={NETWORK}:/state", image)


def _address(container: str) -> str:
    return f"http://{_inspect(container)['NetworkSettings']['Networks'][NETWORK]['IPAddress']}:8000"


def _healthy(containers: dict[str, str]) -> Line:
    began = time.monotonic()
    took = {}
    for name, container in containers.items():
        _until(partial(_is_healthy, container), f"{name} is not healthy")
        took[name] = f"{name} after {time.monotonic() - began:.0f} s"
    return Line(
        "each image's own health check finds it healthy", ", ".join(took.values()), len(took) == len(containers)
    )


def _is_healthy(container: str) -> bool:
    return bool(_inspect(container)["State"]["Health"]["Status"] == "healthy")


def _serves(http: httpx.Client) -> Line:
    job = http.post("/v1/jobs", json={"prompt": "a red cat"}, headers={"Prefer": "wait=60"}).raise_for_status().json()
    job = _ended(http, job["id"])
    picture = http.get(job["images"][0]["url"]).content if job["status"] == "succeeded" else b""
    figure = f"{job['status']}, {len(picture):,} bytes, {' '.join(STRICT)}"
    return Line("a job is served to its end", figure, len(picture) == job["images"][0]["bytes"])


def _ended(http: httpx.Client, job_id: str) -> dict[str, Any]:
    def job() -> dict[str, Any]:
        return dict(http.get(f"/v1/jobs/{job_id}").raise_for_status().json())

    _until(lambda: job()["status"] not in {"queued", "running"}, f"{job_id} has not ended")
    return job()


def _nobody_is_root(containers: dict[str, str]) -> Line:
    uids = {name: docker("top", container, "-eo", "pid,uid").split()[3::2] for name, container in containers.items()}
    processes = [uid for each in uids.values() for uid in each]
    figure = ", ".join(f"{name} {'/'.join(sorted(set(each)))}" for name, each in uids.items())
    return Line("no process is root's", f"{len(processes)} processes: {figure}", "0" not in processes)


def _drains(http: httpx.Client, worker: str) -> Line:
    job_id = http.post("/v1/jobs", json={"prompt": "a red cat", "num_inference_steps": STEPS}).json()["id"]
    _until(lambda: http.get(f"/v1/jobs/{job_id}").json()["progress"]["step"] > 0, "the job does not run")
    took_s, status = _stopped(worker)
    job = http.get(f"/v1/jobs/{job_id}").json()
    figure = f"status {status} after {took_s:.1f} s; its job {job['status']} at attempt {job['attempt']}"
    return Line("a worker asked to stop brings its job to an end", figure, status == 0 and job["status"] == "succeeded")


def _stopped(container: str) -> tuple[float, int]:
    """The seconds that it took, and the exit status."""
    began = time.monotonic()
    docker("stop", f"--time={GRACE_S}", container)
    return time.monotonic() - began, int(_inspect(container)["State"]["ExitCode"])


def _until(holds: Callable[[], bool], complaint: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not _tried(holds):
        if time.monotonic() > end:
            raise TimeoutError(f"After {PATIENCE_S:g} s {complaint}.")
        time.sleep(0.2)


def _tried(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except (httpx.TransportError, DockerFailed):
        return False


def _inspect(container: str) -> dict[str, Any]:
    [found] = json.loads(docker("inspect", container))
    return dict(found)
