import re
import tomllib
from typing import Any

import pytest
import yaml

from app.contract.settings import Settings
from tests.deploy.site import PROJECT

SAID_BY_THE_STACK = {"auth", "host", "log_format", "metrics_port", "port", "redis_url", "state_dir"}
FILE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]


def test_the_stack_hands_on_every_setting_that_it_does_not_say_itself() -> None:
    handed_on = {name for name in FILE["x-settings"] if name.startswith("DARKROOM_")}

    assert handed_on == {f"DARKROOM_{name.upper()}" for name in set(Settings.model_fields) - SAID_BY_THE_STACK}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_change_nothing_of_its_system_and_has_limits(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit"} <= set(service)


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" not in service])
def test_an_image_of_others_has_a_version(name: str) -> None:
    default = re.fullmatch(r"\$\{\w+_IMAGE:-[\w/-]+:(.+)\}", SERVICES[name]["image"])

    assert default
    assert re.match(r"v?\d+\.\d", default[1])


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_published_beyond_this_machine_unasked(name: str) -> None:
    published = SERVICES[name].get("ports", [])

    assert all(port.startswith(("127.0.0.1:", "${DARKROOM_HOST:-127.0.0.1}:")) for port in published)


def test_redis_is_on_no_network_but_its_own() -> None:
    assert SERVICES["redis"]["networks"] == ["redis"]
    assert FILE["networks"]["redis"] == {"internal": True}


def test_the_images_say_the_version_of_the_package() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]

    assert f"ARG VERSION={project['version']}\n" in (PROJECT / "Dockerfile").read_text()
