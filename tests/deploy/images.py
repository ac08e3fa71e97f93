"""What is in the images."""

import json
import re
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.deploy import stand_ins
from tests.deploy.builds import Images, build, built, revision
from tests.deploy.engine import docker
from tests.deploy.report import Line
from tests.deploy.site import PROJECT, Site

MOST_BYTES = {"api": 200e6, "courier": 200e6, "worker": 1.5e9}
FOREIGN = ("torch", "diffusers", "transformers", "PIL", "pip")
SECRET = re.compile(r"passw|secret|token|api_?key|credential|private key", re.IGNORECASE)
SECRET_FILES = (".env", ".git", ".netrc", ".pypirc", "*.key", "id_rsa", "id_ed25519", ".aws", ".ssh")
PRESENT = "import importlib.util as u, sys; print([name for name in sys.argv[1:] if u.find_spec(name)])"
PACKAGES = "import importlib.metadata as m; print(sorted({f'{d.name}=={d.version}' for d in m.distributions()}))"


def images(site: Site) -> Iterator[Line]:
    """They are small, hold what they need and nothing that is nobody's business, and come out the same again."""
    yield _lint(site)
    ours = built(site)
    yield from map(partial(_size, ours), ours.names)
    yield _is_the_same(ours, "courier", "api")
    yield _lacks(ours, "api", FOREIGN)
    yield _lacks(ours, "worker", FOREIGN[-1:])
    yield from (_tells_nothing(site, name) for name in ours.names.values())
    yield _labels(site, ours)
    yield from _without_wheels(site, ours)


def _lint(site: Site) -> Line:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    command = [str(hadolint), "--format=json", str(site.clone / "Dockerfile")]
    findings = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    said = "; ".join(f"line {each['line']}: {each['code']}" for each in findings[:3])
    return Line("hadolint finds nothing in the Dockerfile", said or f"{len(findings)} findings", not findings)


def _size(ours: Images, target: str) -> Line:
    size, most = _inspect(ours.names[target])["Size"], MOST_BYTES[target]
    figure = f"{size / 1e6:.0f} MB, built in {ours.seconds[target]:.0f} s"
    return Line(
        f"the image `{target}` builds from a clean clone and has less than {most / 1e6:.0f} MB", figure, size < most
    )


def _is_the_same(ours: Images, one: str, other: str) -> Line:
    layers, others = (_inspect(ours.names[name])["RootFS"]["Layers"] for name in (one, other))
    return Line(f"`{one}` takes no room beside `{other}`", f"{len(layers)} layers shared", layers == others)


def _lacks(ours: Images, target: str, modules: tuple[str, ...]) -> Line:
    found = docker("run", "--rm", "--entrypoint=python", ours.names[target], "-c", PRESENT, *modules)
    return Line(f"`{target}` can import none of {', '.join(modules)}", f"finds {found}", found == "[]")


def _tells_nothing(site: Site, name: str) -> Line:
    """Neither in what it was made by, nor in its settings, nor in its files."""
    made_by = docker("history", "--no-trunc", "--format={{.CreatedBy}}", name) + json.dumps(_inspect(name)["Config"])
    files = docker("run", "--rm", "--user=0", "--entrypoint=find", name, "/", "-xdev", *_named(SECRET_FILES))
    paths = [f"--regexp={path}" for path in (PROJECT, site.folder, stand_ins.CACHE)]
    search = ["--recursive", "--files-with-matches", "--fixed-strings", *paths, "/opt", "/etc", "/state"]
    naming = docker("run", "--rm", "--user=0", "--entrypoint=sh", name, "-c", 'grep "$@" || true', "grep", *search)
    told = [*SECRET.findall(made_by), *files.split(), *naming.split()]
    figure = f"{len(made_by.splitlines())} steps, {len(told)} findings"
    return Line(f"no secret and no path of this machine is in `{name}`", "; ".join([figure, *told[:3]]), not told)


def _named(patterns: tuple[str, ...]) -> list[str]:
    return ["-false", *(word for pattern in patterns for word in ("-o", "-name", pattern))]


def _labels(site: Site, ours: Images) -> Line:
    labels = [_inspect(name)["Config"]["Labels"] for name in ours.names.values()]
    revisions = {each["org.opencontainers.image.revision"] for each in labels}
    return Line("each says its revision", ", ".join(revisions), revisions == {revision(site.clone)})


def _without_wheels(site: Site, ours: Images) -> Iterator[Line]:
    """The packages that the folder `wheels` held come from an index now."""
    bare = site.folder / "bare"
    subprocess.run(["git", "clone", "--quiet", site.clone, bare], check=True)
    with _index(site.folder / "index", site.clone / "wheels") as address:
        for target in ("api", "worker"):
            options = (f"--build-arg=TORCH_INDEX={address}", "--network=host")
            other = build(bare, target, f"darkroom-test-{target}-bare", *options)
            packages, others = (
                docker("run", "--rm", "--entrypoint=python", name, "-c", PACKAGES)
                for name in (ours.names[target], other)
            )
            figure = f"{packages.count('==')} packages, {others.count('==')} without"
            yield Line(f"`{target}` is the same without the folder `wheels`", figure, packages == others)


@contextmanager
def _index(folder: Path, wheels: Path) -> Iterator[str]:
    """An index of the wheels, as pip knows them: a page of links for each package."""
    for wheel in wheels.iterdir():
        (folder / wheel.name.split("-")[0]).mkdir(parents=True, exist_ok=True)
        (folder / wheel.name.split("-")[0] / wheel.name).symlink_to(wheel)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


def _inspect(name: str) -> dict[str, Any]:
    [found] = json.loads(docker("image", "inspect", name))
    return dict(found)
