"""The pods of deploy/kubernetes as containers that have what their manifests grant them and no more.

They are started before there is a Redis, asked what Kubernetes would ask them, given work, and stopped.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import httpx

from tests.deploy import builds, stand_ins
from tests.deploy.cluster import Cluster, Workload, quantity
from tests.deploy.engine import DockerFailed, docker
from tests.deploy.kustomization import Document, render
from tests.deploy.report import Line
from tests.deploy.site import Site

PATIENCE_S = 600.0  # generous: all of it may share two cores
LOOK_AGAIN_S = 0.2


@dataclass(frozen=True)
class Pod:
    """One container, in the words of its manifest."""

    workload: Workload
    image: str
    network: str
    password: str

    @property
    def name(self) -> str:
        return f"{self.network}-{self.workload.name}"

    def start(self) -> None:
        context, container = self.workload.pod["securityContext"], self.workload.container
        limits = container["resources"]["limits"]
        docker(
            "run",
            "--detach",
            f"--name={self.name}",
            f"--network={self.network}",
            f"--network-alias={self.workload.name}",
            f"--user={context['runAsUser']}:{context['runAsGroup']}",
            "--read-only",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            f"--memory={quantity(limits['memory']):.0f}",
            f"--memory-swap={quantity(limits['memory']):.0f}",
            f"--cpus={quantity(limits['cpu'])}",
            *(f"--env={name}={self._expanded(value)}" for name, value in self._environment.items()),
            *self._mounts(),
            *(f"--entrypoint={word}" for word in container.get("command", [])),
            self.image,
            *map(self._expanded, container["args"]),
        )

    def asked(self, probe: str) -> bool:
        """Whether the probe of this name succeeds.

        Raises DockerFailed if nothing runs any more.
        """
        if docker("inspect", "--format={{.State.Running}}", self.name) != "true":
            raise DockerFailed(f"{self.name} has ended: {docker('logs', '--tail=20', self.name)}")
        asks: Document = self.workload.container[probe]
        try:
            if "exec" in asks:
                docker("exec", self.name, *asks["exec"]["command"])
                return True
            where = asks["httpGet"]
            port = self.workload.ports[where["port"]]
            url = f"http://{self.address}:{port}{where['path']}"
            return httpx.get(url, timeout=asks.get("timeoutSeconds", 1), trust_env=False).is_success
        except (DockerFailed, httpx.TransportError):
            return False

    @property
    def alive_within_s(self) -> float:
        probe = self.workload.container["startupProbe"]
        return float(probe["periodSeconds"] * probe["failureThreshold"])

    @cached_property
    def address(self) -> str:
        return docker("inspect", "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.name)

    def memory(self) -> str:
        return docker("stats", "--no-stream", "--format={{.MemUsage}}", self.name)

    def stop(self) -> tuple[float, str]:
        """The seconds that it took, and how it ended."""
        began = time.monotonic()
        docker("stop", f"--time={self.workload.pod['terminationGracePeriodSeconds']}", self.name)
        took_s = time.monotonic() - began
        return took_s, docker("inspect", "--format={{.State.ExitCode}} {{.State.OOMKilled}}", self.name)

    @property
    def _environment(self) -> dict[str, str]:
        told = self.workload.environment
        own = {"DARKROOM_REDIS_URL": f"redis://:{self.password}@darkroom-redis:6379/0", "REDIS_PASSWORD": self.password}
        return told | {name: value for name, value in own.items() if name in told}

    def _expanded(self, text: str) -> str:
        return text.replace("$(REDIS_PASSWORD)", self.password)

    def _mounts(self) -> Iterator[str]:
        """Claims are their group's, as their drivers leave them; empty folders are everybody's."""
        group = self.workload.pod["securityContext"].get("fsGroup", 0)
        kinds = {each["name"]: each.keys() - {"name"} for each in self.workload.pod.get("volumes", [])}
        for mount in self.workload.container["volumeMounts"]:
            kind = kinds.get(mount["name"], {"volumeClaimTemplate"})
            owner = self.network if "persistentVolumeClaim" in kind else self.name
            volume, mode = f"{owner}-{mount['name']}", "2777" if "emptyDir" in kind else "2775"
            docker(
                "volume", "create", "--opt=type=tmpfs", "--opt=device=tmpfs", f"--opt=o=gid={group},mode={mode}", volume
            )
            yield f"--volume={volume}:{mount['mountPath']}"


def pods(site: Site) -> Iterator[Line]:
    images = builds.built(site).names
    with _started(site, images) as (redis, ours):
        for each in ours:
            yield _alive(each)
        yield _ready(redis, ours)
        yield _works(*ours)
        for each in [*ours, redis]:
            yield _ends(each)


@contextmanager
def _started(site: Site, images: dict[str, str]) -> Iterator[tuple[Pod, list[Pod]]]:
    network, password = f"darkroom-{secrets.token_hex(3)}", secrets.token_hex(16)
    workloads = Cluster(render(site.clone / "deploy" / "kubernetes" / "base"), {}).workloads
    of = {f"darkroom-{target}": name for target, name in images.items()}
    found = [Pod(each, _image(each.container["image"], of), network, password) for each in workloads]
    (redis,) = [each for each in found if not each.workload.part]
    ours = [each for each in found if each is not redis]
    docker("network", "create", network)
    try:
        for each in ours:
            each.start()
        yield redis, ours
    finally:
        _remove(network)


def _remove(network: str) -> None:
    """Whatever bears its name."""
    for kind, rm in {"container": ["rm", "--force"], "volume": ["rm"], "network": ["rm"]}.items():
        listing = ["ls", "--quiet", *(["--all"] if kind == "container" else []), f"--filter=name={network}"]
        for each in docker(kind, *listing).splitlines():
            docker(kind, *rm, each)


def _image(name: str, ours: dict[str, str]) -> str:
    return ours.get(name.partition(":")[0]) or stand_ins.image(name)


def _alive(pod: Pod) -> Line:
    took_s = _until(lambda: pod.asked("startupProbe") and pod.asked("livenessProbe"))
    is_ready = pod.asked("readinessProbe")
    figure = f"alive after {took_s:.1f} s of {pod.alive_within_s:.0f} s, {'ready' if is_ready else 'not ready'}"
    return Line(f"{pod.workload.name}: alive without Redis, and not ready", figure, not is_ready)


def _ready(redis: Pod, ours: list[Pod]) -> Line:
    redis.start()
    took_s = _until(lambda: all(each.asked("readinessProbe") for each in [redis, *ours]))
    alive = all(each.asked("livenessProbe") for each in ours)
    return Line("all are ready once Redis is there", f"after {took_s:.1f} s", alive)


def _works(*ours: Pod) -> Line:
    (api,) = [each for each in ours if each.workload.part == "api"]
    key = docker("exec", api.name, "darkroom", "keys", "create", "--name", "me").splitlines()[-1]
    url, headers = f"http://{api.address}:8000", {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=90, trust_env=False) as http:
        job = http.post("/v1/jobs", json={"prompt": "a red cat"}).raise_for_status().json()
        where = f"/v1/jobs/{job['id']}"
        _until(lambda: http.get(where, params={"wait": 10}).json()["status"] not in ("queued", "running"))
        status, picture = http.get(where).json()["status"], http.get(f"{where}/images/0").content
    memory = ", ".join(f"{each.workload.name} {each.memory()}" for each in ours)
    return Line("a job with a key gives a picture", f"{status}, {len(picture)} bytes; {memory}", status == "succeeded")


def _ends(pod: Pod) -> Line:
    took_s, end = pod.stop()
    grace_s = pod.workload.pod["terminationGracePeriodSeconds"]
    figure = f"after {took_s:.1f} s of {grace_s} s, status {end.split()[0]}"
    return Line(f"{pod.workload.name}: ends by itself", figure, end in ("0 false", "143 false"))


def _until(holds: Callable[[], object]) -> float:
    """The seconds that it took."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > PATIENCE_S:
            raise TimeoutError
        time.sleep(LOOK_AGAIN_S)
    return time.monotonic() - began
