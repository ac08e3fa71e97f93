"""The Docker engine that the cases work with."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.deploy import debian
from tests.deploy.site import Site

CLI = "/usr/bin/docker"  # Debian's and Docker's own; a newer one elsewhere may lack BuildKit
START_S = 60.0


class DockerFailed(Exception):
    """Raised with what the command said."""


def docker(*arguments: str | Path, timeout_s: float = 900) -> str:
    """What `docker ...` says."""
    done = subprocess.run(
        [CLI, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=os.environ | {"DOCKER_BUILDKIT": "1"},
    )
    if done.returncode:
        raise DockerFailed(f"docker {' '.join(map(str, arguments))}: {done.stderr or done.stdout}")
    return done.stdout.strip()


@cache
def start(site: Site) -> None:
    """Sees to an engine while there is the site: that of DOCKER_HOST or of the machine, else one in its folder."""
    debian.require_command("docker", "docker.io", "containerd", "runc", "iptables")
    if "DOCKER_HOST" in os.environ or _answers():
        return
    os.environ["DOCKER_HOST"] = site.resources.enter_context(_engine(site.folder / "docker"))


def _answers() -> bool:
    return subprocess.run([CLI, "version"], capture_output=True, check=False).returncode == 0


@contextmanager
def _engine(folder: Path) -> Iterator[str]:
    folder.mkdir()
    address = f"unix://{folder / 'docker.sock'}"
    paths = {"data-root": folder / "data", "exec-root": folder / "exec", "pidfile": folder / "pid", "host": address}
    command = ["dockerd", *(f"--{name}={path}" for name, path in paths.items())]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(process, address, folder / "log")
            yield address
        finally:
            process.terminate()
            process.wait(START_S)


def _wait_for(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + START_S
    while subprocess.run([CLI, "--host", address, "version"], capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > end:
            raise DockerFailed(f"dockerd does not start: {log.read_text()[-2000:]}")
        time.sleep(0.2)
