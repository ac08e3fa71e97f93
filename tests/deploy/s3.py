"""Pictures in a bucket of a real S3 server: who may read them, what an outage does, and what is deleted when."""

import base64
import hashlib
import time
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from typing import Any

import httpx
import obstore

from app.contract.storage import FOLDER
from tests.app.processes import wait_until
from tests.deploy.rados_gateway import RadosGateway, rados_gateway
from tests.deploy.report import Line
from tests.deploy.site import Site
from tests.service.conftest import PATIENCE_S, Service

ROOT = "studio"  # a folder of the bucket
RETENTION_S = 60
OUTAGE_S = 10.0
JOBS = 8
CAT = {"prompt": "a cat wearing a space helmet", "num_inference_steps": 4}


def s3(site: Site) -> Iterator[Line]:
    with rados_gateway(site.folder / "ceph") as gateway, chdir(site.clone):  # whose code it is that runs
        settings = {
            "DARKROOM_STORAGE_URL": f"s3://{gateway.bucket}/{ROOT}",
            "DARKROOM_REDIRECT_IMAGES": "true",
            "DARKROOM_RETENTION_S": str(RETENTION_S),
        }
        service = Service(site.folder / "s3", site.folder / "s3.log", **settings, **gateway.environment)
        try:
            yield from Bucket(gateway, service).lines()
        finally:
            service.stop()


@dataclass(frozen=True)
class Bucket:
    """The pictures of a running service, seen from its API and from the bucket."""

    gateway: RadosGateway
    service: Service
    reader: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=30))  # without any key

    def lines(self) -> Iterator[Line]:
        first = self._succeeded(**CAT, seed=1)
        address = self._address(first)
        yield self._is_put(first)
        yield self._is_read_without_a_key(first, address)
        yield self._tampering_is_refused(address)
        picture = self.reader.get(address).content
        over = self._succeeded(**CAT, image=base64.b64encode(picture).decode(), strength=0.5, seed=2)
        yield self._is_read_by_the_worker(over, picture)
        yield self._is_erased(over)
        yield self._outage_loses_nothing()
        wait_until(lambda: self.service.http.get(f"/v1/jobs/{first['id']}").status_code == 404, 2 * RETENTION_S)
        yield self._expiry_is_refused(first, address)
        yield self._retention_deletes(first, picture)

    def _is_put(self, job: dict[str, Any]) -> Line:
        [path] = self._objects(job)
        content = bytes(obstore.get(self.gateway.store, path).bytes())
        ms = 1_000 * job["timings"]["save_s"]
        figure = f"{len(content)} bytes at {path.removesuffix(path.rpartition('/')[2])}..., in {ms:.0f} ms"
        return Line("a job's picture is in the bucket, in its folder", figure, _is_of(content, job))

    def _is_read_without_a_key(self, job: dict[str, Any], address: str) -> Line:
        began = time.perf_counter()
        answer = self.reader.get(address)
        ms = 1_000 * (time.perf_counter() - began)
        figure = f"{answer.status_code}, {len(answer.content)} bytes, sha256 as told, in {ms:.0f} ms"
        return Line("the API's redirect gives the very bytes to who has no key", figure, _is_of(answer.content, job))

    def _tampering_is_refused(self, address: str) -> Line:
        other_digit = "1" if address.endswith("0") else "0"
        changed = {
            "signature": address[:-1] + other_digit,
            "picture": address.replace("/0.png?", "/1.png?"),
            "lifetime": address.replace("X-Amz-Expires=60", "X-Amz-Expires=86400"),
            "no signature": address.partition("?")[0],
        }
        told = {name: self.reader.get(url).status_code for name, url in changed.items() if url != address}
        figure = ", ".join(f"{name} {status}" for name, status in told.items())
        return Line("a changed address is refused", figure, set(told.values()) == {403} and set(told) == set(changed))

    def _is_read_by_the_worker(self, job: dict[str, Any], picture: bytes) -> Line:
        given = [path for path in self._objects(job) if "/inputs/" in path]
        is_nowhere_else = not (self.service.state_dir / "images").exists()
        holds = [path.rpartition("/")[2] for path in given] == [hashlib.sha256(picture).hexdigest()] and is_nowhere_else
        figure = f"{job['status']}, {len(given)} given picture in the bucket, none in the state folder"
        return Line("a picture that came with a job is read from the bucket", figure, holds)

    def _is_erased(self, job: dict[str, Any]) -> Line:
        before = len(self._objects(job))
        began = time.perf_counter()
        status = self.service.http.delete(f"/v1/jobs/{job['id']}").status_code
        ms = 1_000 * (time.perf_counter() - began)
        after = len(self._objects(job))
        figure = f"{status} in {ms:.0f} ms, {before} objects before, {after} after"
        return Line("DELETE of a job erases its pictures", figure, before > 1 and (status, after) == (204, 0))

    def _outage_loses_nothing(self) -> Line:
        picture = base64.b64encode(self.reader.get(self._address(self._succeeded(**CAT, seed=3))).content).decode()
        posted = [self.service.post(**CAT, seed=seed)["id"] for seed in range(JOBS)]
        self.gateway.kill()
        went = time.perf_counter()
        refused = self.service.http.post("/v1/jobs", json={**CAT, "image": picture})
        refused_s = time.perf_counter() - went
        ended_in_it = [self.service.job(job)["status"] for job in posted]
        time.sleep(max(0.0, OUTAGE_S - refused_s))
        self.gateway.start()
        back = time.perf_counter()
        ended = [self.service.ended(job) for job in posted]
        again_s = time.perf_counter() - back
        succeeded = sum(job["status"] == "succeeded" and job["attempt"] == 1 for job in ended)
        figure = (
            f"{back - went:.0f} s without it: {ended_in_it.count('running')} jobs ran, {succeeded} of {JOBS} "
            f"succeeded at their first attempt, the last {again_s:.1f} s after it came back; "
            f"a job with a picture was told {refused.status_code} after {refused_s:.1f} s"
        )
        return Line("the storage goes away and comes back", figure, (succeeded, refused.status_code) == (JOBS, 503))

    def _expiry_is_refused(self, job: dict[str, Any], address: str) -> Line:
        status, is_there = self.reader.get(address).status_code, bool(self._objects(job))
        figure = f"{status} after its 60 s, while the picture is {'still' if is_there else 'not'} there"
        return Line("an expired address is refused", figure, status == 403 and is_there)

    def _retention_deletes(self, old: dict[str, Any], picture: bytes) -> Line:
        self.service.worker().kill()  # it looks when it starts, and every ten minutes
        began = time.perf_counter()
        waiting = self.service.post(**CAT, image=base64.b64encode(picture).decode(), seed=4)
        wait_until(lambda: not self._objects(old), 2 * PATIENCE_S)
        seconds, left = time.perf_counter() - began, len(self._objects(waiting))
        figure = f"gone {seconds:.1f} s after a worker's death; {left} of a job that waits is still there"
        promise = f"pictures older than the retention ({RETENTION_S} s) are deleted, and no others"
        return Line(promise, figure, left >= 1)

    def _succeeded(self, **body: Any) -> dict[str, Any]:
        job = self.service.ended(self.service.post(**body)["id"])
        if job["status"] != "succeeded":
            raise AssertionError(f"{job['status']}: {job['error']}")
        return job

    def _address(self, job: dict[str, Any]) -> str:
        """Where the API sends who reads the picture."""
        return str(self.service.http.get(job["images"][0]["url"]).headers["location"])

    def _objects(self, job: dict[str, Any]) -> list[str]:
        return self.gateway.keys(f"{ROOT}/{FOLDER}/{job['id']}")


def _is_of(content: bytes, job: dict[str, Any]) -> bool:
    return hashlib.sha256(content).hexdigest() == job["images"][0]["sha256"]
