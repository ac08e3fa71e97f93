"""The dashboard and the rules ask for what is there; that they get it is what `make deploy-test` sees."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from app.contract.settings import Settings
from tests.app.conftest import serving
from tests.deploy.autoscaling import scaled_objects
from worker.dials.deliveries import DeliveryDials
from worker.dials.engine import EngineDials
from worker.dials.jobs import JobDials
from worker.engine import Engine
from worker.pipelines.warm_models import WarmModels
from worker.pipelines.warming import LoadedModel
from worker.queue import QueueWorker

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARD = DEPLOY / "grafana/dashboards/darkroom.json"
METRIC = re.compile(r"(?:fleet:)?darkroom_\w+(?::\w+)?")
JOB = re.compile(r'job="([\w-]+)"')
COLUMNS = 24
SAMPLES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


@pytest.fixture
def exposed(redis: Redis, redis_url: str, tmp_path: Path) -> set[str]:
    """The names that the API, a worker and a courier really tell Prometheus."""
    with serving(Settings(redis_url=redis_url, state_dir=tmp_path)) as url:
        told = httpx.get(f"{url}/metrics", trust_env=False).text
    registry = CollectorRegistry()
    JobDials(registry=registry)
    DeliveryDials(registry)
    with Engine() as engine:
        worker = QueueWorker(["mini"], connection=redis)
        registry.register(EngineDials(worker, engine, WarmModels(no_model), torch.device("cpu")))
        told += generate_latest(registry).decode()
    families = list(text_string_to_metric_families(told))
    return {family.name + ending for family in families for ending in SAMPLES[family.type]}


def no_model(name: str) -> LoadedModel:
    raise NotImplementedError(name)


def read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


def rules(file: str) -> list[dict[str, Any]]:
    return [rule for group in read(DEPLOY / "prometheus" / file)["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD.read_text()))


def graphs() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> dict[str, str]:
    """Everything that is asked of Prometheus, by who asks it."""
    asked = {
        rule.get("alert") or rule["record"]: rule["expr"] for rule in rules("alerts.yml") + rules("recordings.yml")
    }
    asked |= {
        f"{panel['title']} {target['refId']}": target["expr"] for panel in graphs() for target in panel["targets"]
    }
    asked |= {each["name"]: each["query"] for each in dashboard()["templating"]["list"]}
    triggers = [trigger for scaled in scaled_objects(ROOT) for trigger in scaled["spec"]["triggers"]]
    return asked | {f"KEDA {n}": trigger["metadata"]["query"] for n, trigger in enumerate(triggers)}


def test_every_metric_that_is_asked_for_is_exposed_or_recorded(exposed: set[str]) -> None:
    known = exposed | {rule["record"] for rule in rules("recordings.yml")}

    unknown = {asker: set(METRIC.findall(asked)) - known for asker, asked in expressions().items()}

    assert {asker: names for asker, names in unknown.items() if names} == {}


def test_every_alert_says_how_bad_it_is_and_what_to_do_and_has_a_section_in_the_runbook() -> None:
    headings = re.findall(r"^#+ (\w+)$", (DEPLOY / "README.md").read_text(), re.MULTILINE)

    alerts = rules("alerts.yml")

    assert sorted(alert["alert"] for alert in alerts) == sorted(
        word for word in headings if re.match("Darkroom[A-Z]", word)
    )
    for alert in alerts:
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert alert["annotations"]["runbook_url"] == f"deploy/README.md#{alert['alert'].lower()}"


def test_the_rules_speak_of_jobs_that_prometheus_scrapes_and_these_of_services_that_there_are() -> None:
    scraped = {job["job_name"]: job for job in read(DEPLOY / "prometheus/prometheus.yml")["scrape_configs"]}
    services = read(ROOT / "docker-compose.yml")["services"]

    meant = {job for asked in expressions().values() for job in JOB.findall(asked)}
    static = [
        target for job in scraped.values() for each in job.get("static_configs", []) for target in each["targets"]
    ]
    found = [name for job in scraped.values() for each in job.get("dns_sd_configs", []) for name in each["names"]]

    assert meant
    assert meant <= scraped.keys()
    assert {target.partition(":")[0] for target in static} | set(found) <= services.keys()


def test_the_panels_are_questions_that_fit_side_by_side() -> None:
    panels = dashboard()["panels"]

    cells = [cell for panel in panels for cell in cells_of(**panel["gridPos"])]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert [panel["title"] for panel in panels if not panel["title"].endswith("?")] == []
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < COLUMNS
    assert all(panel["description"] for panel in graphs())


def cells_of(x: int, y: int, w: int, h: int) -> list[tuple[int, int]]:
    return [(x + column, y + line) for column in range(w) for line in range(h)]


def test_no_panel_is_bound_to_one_prometheus() -> None:
    of_dashboard = [panel["datasource"]["uid"] for panel in graphs()]

    assert set(of_dashboard) == {"${datasource}"}
    assert {each["name"] for each in dashboard()["templating"]["list"]} == {"datasource", "model"}


def test_grafana_finds_the_dashboard_where_compose_puts_it() -> None:
    [provider] = read(DEPLOY / "grafana/provisioning/dashboards/darkroom.yml")["providers"]

    volumes = read(ROOT / "docker-compose.yml")["services"]["grafana"]["volumes"]

    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in volumes
    assert "./deploy/grafana/provisioning:/etc/grafana/provisioning:ro" in volumes
