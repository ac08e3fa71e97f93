"""What haproxy says of its configuration."""

import re
from collections.abc import Iterator

from tests.deploy import engine, stand_ins
from tests.deploy.engine import docker
from tests.deploy.report import Line
from tests.deploy.site import Site

CONFIGURATION = "/usr/local/etc/haproxy/haproxy.cfg"


def balancer(site: Site) -> Iterator[Line]:
    """It takes it without a word, and refuses to open to others what nobody has decided to open."""
    engine.start(site)
    said = _check(site)
    warnings = re.findall(r"\[(?:WARNING|ALERT)\].*", said)
    figure = f"{said.splitlines()[0]}: {len(warnings)} warnings"
    holds = "Configuration file is valid" in said and not warnings
    yield Line("`haproxy -c` finds nothing", "; ".join([figure, *warnings[:1]]), holds)
    said = _check(site, DARKROOM_HOST="0.0.0.0")  # noqa: S104 - what is refused
    alert = re.search(r"'(Others can reach .*)'", said)
    yield Line("it starts for others only with a word on keys", alert[1] if alert else said, bool(alert))
    said = _check(site, DARKROOM_HOST="0.0.0.0", DARKROOM_AUTH="keys")  # noqa: S104
    yield Line("and with that word it starts", said.splitlines()[-1], "Configuration file is valid" in said)


def _check(site: Site, **environment: str) -> str:
    hosts = [f"--add-host={name}:127.0.0.1" for name in ("api-1", "api-2")]
    settings = [f"--env={name}={value}" for name, value in environment.items()]
    mount = f"--volume={site.clone / 'deploy/haproxy/haproxy.cfg'}:{CONFIGURATION}:ro"
    image = stand_ins.images(site)["HAPROXY_IMAGE"]
    check = f"haproxy -v | head -n 1; haproxy -c -f {CONFIGURATION} 2>&1 || true"
    return docker("run", "--rm", *hosts, *settings, mount, "--entrypoint=sh", image, "-c", check)
