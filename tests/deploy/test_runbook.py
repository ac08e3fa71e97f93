"""What deploy/README.md tells to do can be done: every file, command, setting and service that it names is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from typer.core import TyperGroup

from app.cli import cli
from app.contract.settings import Settings
from tests.deploy.site import PROJECT

RUNBOOK = (PROJECT / "deploy/README.md").read_text()
CODE = re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", RUNBOOK, re.DOTALL)
LINES = [line.partition(" #")[0].strip() for block, span in CODE for line in (block or span).splitlines()]
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
TAKES_SERVICES = {"up", "stop", "start", "restart", "logs", "ps", "kill"}
OUR_COMMAND = re.compile(r"(?:^|-- |bin/|api-1 )darkroom (.+)")  # in whichever place it is run
KINDS = {"deploy": "Deployment", "statefulset": "StatefulSet"}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", RUNBOOK))))
def test_every_link_leads_to_a_file(target: str) -> None:
    assert (PROJECT / "deploy" / target).exists()


def test_every_link_within_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in re.findall("^#+ (.*)", RUNBOOK, re.M)
    }

    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) - headings == set()


def test_every_file_is_there() -> None:
    named = {path for line in LINES for path in re.findall(r"(?<![\w/.-])(?:deploy|overlays)/[\w./-]*\w", line)}
    named = {
        path.replace("overlays", "deploy/kubernetes/overlays") if path.startswith("overlays") else path
        for path in named
    }
    named = {
        path for path in named if not re.fullmatch(r"deploy/darkroom-\w+", path)
    }  # kubectl's word for a Deployment

    assert len(named) > 5
    assert [path for path in named if not (PROJECT / path).exists()] == []


def test_every_target_of_make_is_one() -> None:
    named = set(re.findall(r"\bmake ([a-z][\w-]*)`", RUNBOOK))

    assert named
    assert named <= set(re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), re.M))


def test_every_setting_is_one() -> None:
    settings = {f"DARKROOM_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"DARKROOM_\w+", RUNBOOK))

    assert len(named) > 20
    assert named - settings == set()


def test_every_command_of_darkroom_is_one() -> None:
    named = [found[1].split() for line in LINES if (found := OUR_COMMAND.search(line))]

    assert len(named) > 8
    assert [words for words in named if not _is_a_command(words)] == []


def _is_a_command(words: list[str]) -> bool:
    command: Any = typer.main.get_command(cli)
    while isinstance(command, TyperGroup) and words:
        if words[0] not in command.commands:
            return False
        command, words = command.commands[words[0]], words[1:]
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    return all(word in options for word in words if word.startswith("--"))


def test_every_service_of_compose_is_one() -> None:
    named = {service for line in LINES if line.startswith("docker compose") for service in _services(line.split())}

    assert {"api-1", "api-2", "worker", "courier", "redis"} <= named
    assert named <= set(COMPOSE["services"])


def _services(words: list[str]) -> Iterator[str]:
    verb = next(word for word in words if word in TAKES_SERVICES | {"exec"})
    operands = [word for word in words[words.index(verb) + 1 :] if not word.startswith("-")]
    if verb == "exec":
        yield operands[0]
        return
    yield from (word.partition("=")[0] for word in operands if not (word.isdigit() or word.isupper()))  # a signal


def test_every_profile_and_every_variable_of_compose_is_one() -> None:
    profiles = {profile for service in COMPOSE["services"].values() for profile in service.get("profiles", [])}

    assert set(re.findall(r"--profile (\w+)", RUNBOOK)) == profiles
    assert "${REDIS_PASSWORD" in (PROJECT / "docker-compose.yml").read_text()


def test_what_kubectl_is_to_act_on_is_in_the_manifests() -> None:
    named = set(re.findall(r"\b(deploy|statefulset)/(darkroom-\w+)", RUNBOOK))
    manifests: list[Any] = []
    for path in Path(PROJECT / "deploy/kubernetes/base").glob("*.yaml"):
        manifests += [each for each in yaml.safe_load_all(path.read_text()) if each]
    there = {(each["kind"], each["metadata"]["name"]) for each in manifests if "metadata" in each}

    assert len(named) > 2
    assert {(KINDS[kind], name) for kind, name in named} <= there
