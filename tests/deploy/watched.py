"""`darkroom up` and a second API replica on this machine, and a Prometheus that scrapes them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.prometheus import Prometheus, watching
from tests.deploy.site import Site
from tests.service.conftest import Service
from tests.worker.receiver import Receiver, receiving

LISTENING = re.compile(r"listening on http://(\S+)")


@dataclass(frozen=True)
class Watched:
    service: Service
    receiver: Receiver
    prometheus: Prometheus


@contextmanager
def watched(site: Site) -> Iterator[Watched]:
    with ExitStack() as stack:
        stack.enter_context(chdir(site.clone))  # whose code it is that runs
        receiver = stack.enter_context(receiving())
        state = site.folder / f"state-{receiver.port}"
        ports = f"443,{receiver.port}"
        service = Service(state, DARKROOM_EGRESS_ALLOW="127.0.0.1", DARKROOM_EGRESS_PORTS=ports)
        stack.callback(service.stop)
        targets = {
            "darkroom-api": [service.http.base_url.netloc.decode(), stack.enter_context(_second_api(state))],
            "darkroom-worker": [f"127.0.0.1:{service.metrics_port}"],
            "darkroom-courier": [f"127.0.0.1:{service.metrics_port + 1}"],
        }
        yield Watched(service, receiver, stack.enter_context(watching(site, targets)))


@contextmanager
def _second_api(state: Path) -> Iterator[str]:
    """Gives its address."""
    command = [sys.executable, "-m", "app.cli", "api", "--port", "0", "--state-dir", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield next(found[1] for found in map(LISTENING.search, process.stdout) if found)
        finally:
            process.terminate()
