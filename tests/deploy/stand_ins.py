"""Images made of Debian's packages, for those that this machine cannot pull."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

from tests.deploy import debian
from tests.deploy.engine import DockerFailed, docker
from tests.deploy.site import PROJECT, Site

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "darkroom-deploy"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
BASE = "darkroom-test-base"
BASE_PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv", "netbase", "tzdata")
UNUSED = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
PULL_S = 300.0
WAYS = "RUN apt-get update && apt-get install -y --no-install-recommends {} && rm -rf /var/lib/apt/lists/*\n"
STAND_INS = {
    # the host's certificates, for it may trust more than Debian does
    "python": f"COPY {CERTIFICATES.name} {CERTIFICATES}\n"
    f"RUN printf '[global]\\ncert = {CERTIFICATES}\\ntimeout = 180\\n' > /etc/pip.conf\n",
    "redis": WAYS.format("redis-server") + "WORKDIR /data\nRUN chown redis /data\nVOLUME /data\nCMD redis-server\n",
    "haproxy": WAYS.format("haproxy") + "USER haproxy\nSTOPSIGNAL SIGUSR1\n"
    'CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]\n',
    "prom/prometheus": WAYS.format("prometheus") + "RUN install -d -o nobody /prometheus\nUSER nobody\n"
    'VOLUME /prometheus\nENTRYPOINT ["prometheus"]\n',
}


@cache
def image(name: str) -> str:
    """`name` where this machine has it or can pull it, else the name of its stand-in."""
    for command in (("image", "inspect"), ("pull", "--quiet")):
        try:
            docker(*command, name, timeout_s=PULL_S)
        except (DockerFailed, subprocess.TimeoutExpired):
            continue
        return name
    return _stand_in(name.split(":", maxsplit=1)[0])


def images(site: Site) -> dict[str, str]:
    """Of each variable of the compose file that names an image which has a stand-in: the image to use."""
    named = re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", (site.clone / "docker-compose.yml").read_text())
    return {variable: image(name) for variable, name in named if name.split(":")[0] in STAND_INS}


def _stand_in(repository: str) -> str:
    base = _base() if repository == "python" else image(python_image())
    name = f"darkroom-test-{repository.replace('/', '-')}"
    with tempfile.TemporaryDirectory() as folder:
        if CERTIFICATES.exists():
            shutil.copy(CERTIFICATES, folder)
        (Path(folder) / "Dockerfile").write_text(f"FROM {base}\n{STAND_INS[repository]}")
        docker("build", "--quiet", "--tag", name, folder)
    return name


def python_image() -> str:
    found = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert found
    return found[1]


def _base() -> str:
    """Debian with its Python, where the official image has it; minutes at the first time, then from the cache."""
    archive = CACHE / "bookworm.tar"
    if not archive.exists():
        debian.require("debootstrap")
        CACHE.mkdir(parents=True, exist_ok=True)
        _bootstrap(archive)
    docker("import", "--change", "CMD python", archive, BASE)
    return BASE


def _bootstrap(archive: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        root = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}", "bookworm"]
        subprocess.run([*command, root], check=True, stdout=subprocess.DEVNULL)
        for alias, name in {"python": "python3", "python3": "python3", "pip": "pip3"}.items():
            (root / "usr/local/bin" / alias).symlink_to(f"/usr/bin/{name}")
        (root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
        for unused in UNUSED:
            shutil.rmtree(root / unused)
            (root / unused).mkdir()
        for bytecode in list((root / "usr/lib").rglob("__pycache__")):
            shutil.rmtree(bytecode)
        with tarfile.open(Path(folder) / "tar", "w") as made:
            made.add(root, ".")
        (Path(folder) / "tar").replace(archive)
