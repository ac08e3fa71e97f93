"""Our images, built from the clean clone."""

import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.deploy import engine, stand_ins
from tests.deploy.engine import docker
from tests.deploy.site import Site

TARGETS = ("api", "courier", "worker")


@dataclass(frozen=True)
class Images:
    """The name of each target's image, and the seconds that its build took."""

    names: dict[str, str]
    seconds: dict[str, float]

    @property
    def environment(self) -> dict[str, str]:
        """What docker-compose.yml calls them."""
        return {f"DARKROOM_{target.upper()}_IMAGE": name for target, name in self.names.items()}


@cache
def built(site: Site) -> Images:
    """Once for all cases."""
    engine.start(site)
    gather_wheels(site.clone)
    images = Images({}, {})
    for target in TARGETS:
        began = time.monotonic()
        images.names[target] = build(site.clone, target, f"darkroom-test-{target}")
        images.seconds[target] = time.monotonic() - began
    return images


def build(clone: Path, target: str, name: str, *options: str) -> str:
    """Gives the image the name, and the name back."""
    python = stand_ins.image(stand_ins.python_image())
    arguments = (f"--build-arg=PYTHON_IMAGE={python}", f"--build-arg=REVISION={revision(clone)}", *options)
    docker("build", "--quiet", "--target", target, "--tag", name, *arguments, clone)
    return name


def revision(clone: Path) -> str:
    command = ["git", "-C", str(clone), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def gather_wheels(clone: Path) -> None:
    """The torch that pip finds here, into the context's `wheels`: its download is the longest part of a build."""
    find = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run(
        [*find, f"--constraint={clone / 'constraints.txt'}", f"--dest={clone / 'wheels'}", "torch"], check=True
    )
