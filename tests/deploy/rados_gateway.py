"""A real S3 server: Ceph's RADOS Gateway, with one monitor and one store in memory, on loopback."""

import secrets
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import obstore
from obstore.store import S3Store

from tests.app.processes import wait_until
from tests.deploy import debian

PATIENCE_S = 90.0
CONFIGURATION = """
[global]
fsid = {cluster}
mon host = [{monitor}]
public addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
osd objectstore = memstore
osd pool default size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
run dir = {folder}
crash dir = {folder}
pid file =
admin socket = {folder}/$name.socket
log file = {folder}/$name.log
mon data = {folder}/monitor
osd data = {folder}/store
"""


class RadosGateway:
    """The gateway in front of its store; it can be killed and started again, and keeps what it holds."""

    def __init__(self, folder: Path) -> None:
        self.bucket = "pictures"
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._configuration = folder / "ceph.conf"
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._key, self._secret = secrets.token_hex(10), secrets.token_hex(20)
        self._start_store(folder)
        names = ["--uid", "darkroom", "--display-name", "darkroom"]
        self._run("radosgw-admin", "user", "create", *names, "--access-key", self._key, "--secret-key", self._secret)
        self.start()
        self._make_bucket()

    @property
    def environment(self) -> dict[str, str]:
        """What leads obstore here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self._key,
            "AWS_SECRET_ACCESS_KEY": self._secret,
        }

    @property
    def store(self) -> S3Store:
        return S3Store(
            self.bucket,
            endpoint=self.url,
            region="us-east-1",
            access_key_id=self._key,
            secret_access_key=self._secret,
            client_options={"allow_http": True},
        )

    def start(self) -> None:
        address = self.url.removeprefix("http://")
        self._gateway = self._daemon("radosgw", "-n", "client.rgw", "--rgw-frontends", f"beast endpoint={address}")
        wait_until(self._answers, PATIENCE_S)

    def kill(self) -> None:
        self._gateway.kill()
        self._gateway.wait()

    def stop(self) -> None:
        for each in reversed(self._daemons):
            each.kill()
            each.wait()

    def keys(self, prefix: str = "") -> list[str]:
        return [each["path"] for objects in obstore.list(self.store, prefix) for each in objects]

    def _start_store(self, folder: Path) -> None:
        cluster, store, port = str(uuid.uuid4()), str(uuid.uuid4()), _free_port()
        for name in ("monitor", "store"):
            (folder / name).mkdir(parents=True)
        text = CONFIGURATION.format(cluster=cluster, monitor=f"v2:127.0.0.1:{port}/0", folder=folder)
        self._configuration.write_text(text)
        plan = folder / "monitors"
        self._run("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{port}]", "--fsid", cluster, str(plan))
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(plan))
        self._daemon("ceph-mon", "-i", "a")
        self._run("ceph", "osd", "new", store)
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", store)
        self._daemon("ceph-osd", "-i", "0")

    def _make_bucket(self) -> None:
        address = obstore.sign(self.store, "PUT", "", timedelta(minutes=1))
        httpx.put(address, timeout=PATIENCE_S).raise_for_status()
        obstore.put(self.store, "first", b"")  # only now it makes the pools for the rest

    def _run(self, program: str, *arguments: str) -> None:
        command = [program, "--conf", str(self._configuration), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)

    def _daemon(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [program, "--conf", str(self._configuration), "--foreground", *arguments]
        daemon = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._daemons.append(daemon)
        return daemon

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url).is_success
        except httpx.TransportError:
            return False


@contextmanager
def rados_gateway(folder: Path) -> Iterator[RadosGateway]:
    debian.require("ceph-common", "ceph-mon", "ceph-osd", "radosgw")
    gateway = RadosGateway(folder)
    try:
        yield gateway
    finally:
        gateway.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
