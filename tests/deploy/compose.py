"""The stack of docker-compose.yml, under a project name and on a port of its own."""

import json
import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.deploy import debian, engine, stand_ins
from tests.deploy.builds import built
from tests.deploy.engine import docker
from tests.deploy.site import Site

PROJECT_NAME = "darkroom-test"
COMMAND_S = 600.0
LAST_LINES = "40"


class ComposeFailed(Exception):
    """Raised with what the command said."""


@dataclass(frozen=True)
class Stack:
    """The containers of a running stack, by the names of their services."""

    folder: Path
    environment: dict[str, str]
    cut: dict[str, list[str]] = field(default_factory=dict)  # the networks of each container that is cut off

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['DARKROOM_PORT']}"

    def up(self, *services: str, **scale: int) -> None:
        """Starts these, or all; `worker=2` says how many of one."""
        numbers = [f"--scale={service}={number}" for service, number in scale.items()]
        self.compose("up", "--detach", "--no-build", *numbers, *services)

    def recreate(self, service: str) -> None:
        """As an operator does who rolls out another image: this service alone."""
        self.compose("up", "--detach", "--no-build", "--no-deps", "--force-recreate", service)

    def kill(self, service: str) -> None:
        self.compose("kill", service)

    def stop(self, service: str) -> None:
        self.compose("stop", service)

    def start(self, service: str) -> None:
        self.compose("start", service)

    def run(self, service: str, *command: str) -> str:
        """What the command says that runs in the service's container."""
        return self.compose("exec", "-T", service, *command)

    def logs(self, *services: str) -> str:
        return self.compose("logs", "--no-color", *services)

    def containers(self, service: str) -> list[str]:
        """Their ids."""
        return self.compose("ps", "--quiet", service).split()

    def disconnect(self, service: str) -> None:
        """Cuts the service's containers off their networks."""
        for container in self.containers(service):
            networks = docker("inspect", "--format={{json .NetworkSettings.Networks}}", container)
            self.cut[container] = list(json.loads(networks))
            for network in self.cut[container]:
                docker("network", "disconnect", "--force", network, container)

    def connect(self, service: str) -> None:
        """Undoes `disconnect`."""
        for container in self.containers(service):
            for network in self.cut.pop(container):
                docker("network", "connect", f"--alias={service}", network, container)

    def compose(self, *arguments: str) -> str:
        command = [*_command(), "--project-name", PROJECT_NAME, *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        if done.returncode:
            raise ComposeFailed(f"{shlex.join(command)}: {done.stderr or done.stdout}")
        return done.stdout.strip()


@contextmanager
def stack(site: Site, *services: str, **environment: str) -> Iterator[Stack]:
    """All of it, or these services, of images built here; the environment is what `.env` would say."""
    images = built(site)
    names = stand_ins.images(site) | images.environment
    running = Stack(site.clone, names | {"DARKROOM_PORT": str(_free_port())} | environment)
    try:
        running.up(*services)
        yield running
    except BaseException as error:
        error.add_note(running.logs(f"--tail={LAST_LINES}"))
        raise
    finally:
        running.compose("down", "--volumes", "--remove-orphans", "--timeout=5")


@cache
def _command() -> list[str]:
    """Compose v2, if docker has it; else Debian's 1.29."""
    second = [engine.CLI, "compose"]
    if subprocess.run([*second, "version"], capture_output=True, check=False).returncode == 0:
        return second
    debian.require_command("docker-compose", "docker-compose")
    return ["docker-compose"]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
