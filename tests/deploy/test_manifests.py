import copy
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.routing import Route

from app.contract.catalogue import Catalogue
from app.contract.settings import Settings
from app.contract.version import installed_version
from app.main import create_app
from app.routes import page
from tests.deploy.cluster import Cluster, leads_to, secrets_told_of
from tests.deploy.kustomization import Document, render
from tests.deploy.policies import POLICIES, complaints
from tests.deploy.policies.network import INSIDE

KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"
ENTRIES = ["base", *(f"overlays/{path.name}" for path in sorted((KUBERNETES / "overlays").iterdir()))]
GONE = object()

API, WORKER, REDIS = "Deployment/darkroom-api", "Deployment/darkroom-worker", "StatefulSet/darkroom-redis"
POD, CONTAINER = "spec.template.spec", "spec.template.spec.containers.0"
NGINX = "nginx~ingress~kubernetes~io"
FIRST_BLOCK = "spec.egress.0.to.0.ipBlock"
SCALER, RULES = "ScaledObject/darkroom-worker", "Ingress/darkroom-api"
FAULTS: list[tuple[str, str, str, Any]] = [  # what is broken, where, and how; the policy that is to tell of it
    ("namespaces_are_restricted", "Namespace/darkroom", "metadata.labels", {}),
    ("no_pod_is_root", API, f"{POD}.securityContext.runAsNonRoot", GONE),
    ("no_pod_is_root", REDIS, f"{POD}.securityContext.runAsUser", 0),
    ("no_pod_is_root", WORKER, f"{POD}.securityContext.seccompProfile.type", "Unconfined"),
    ("no_container_has_privileges", API, f"{CONTAINER}.securityContext.readOnlyRootFilesystem", False),
    ("no_container_has_privileges", WORKER, f"{CONTAINER}.securityContext.capabilities.add", ["SYS_ADMIN"]),
    ("pods_share_nothing_with_their_node", API, f"{POD}.hostNetwork", True),
    ("pods_share_nothing_with_their_node", WORKER, f"{POD}.volumes.0", {"name": "pictures", "hostPath": {"path": "/"}}),
    ("pods_know_nothing_of_the_cluster", API, f"{POD}.automountServiceAccountToken", GONE),
    ("images_have_a_version", API, f"{CONTAINER}.image", "darkroom-api:latest"),
    ("no_secret_is_kept", "ConfigMap/darkroom", "kind", "Secret"),
    ("every_secret_that_is_read_is_told_of", API, f"{CONTAINER}.env.0.valueFrom.secretKeyRef.key", "address"),
    ("resources_are_asked_for_and_bounded", WORKER, f"{CONTAINER}.resources.limits.memory", GONE),
    ("probes_ask_the_right_thing", API, f"{CONTAINER}.livenessProbe.httpGet.path", "/readyz"),
    ("probes_ask_the_right_thing", WORKER, f"{CONTAINER}.readinessProbe", GONE),
    ("the_api_goes_when_nobody_asks_it_any_more", API, f"{CONTAINER}.lifecycle", GONE),
    ("the_api_goes_when_nobody_asks_it_any_more", API, f"{POD}.terminationGracePeriodSeconds", 20),
    ("workers_end_no_job_that_can_end_by_itself", WORKER, f"{POD}.terminationGracePeriodSeconds", 600),
    ("workers_end_no_job_that_can_end_by_itself", "ConfigMap/darkroom", "data.DARKROOM_JOB_TIMEOUT_S", "601"),
    ("a_rollout_takes_no_pod_before_its_successor_is_ready", API, "spec.strategy.rollingUpdate.maxUnavailable", 1),
    ("nodes_can_be_emptied_one_pod_at_a_time", "PodDisruptionBudget/darkroom-api", "spec.maxUnavailable", 0),
    ("pods_are_spread_over_nodes", WORKER, f"{POD}.topologySpreadConstraints", []),
    ("settings_are_settings", "ConfigMap/darkroom", "data.DARKROOM_MAX_JOB", "16"),
    ("settings_are_settings", "ConfigMap/darkroom", "data.DARKROOM_AUTH", "key"),
    ("ports_are_those_of_the_settings", "ConfigMap/darkroom", "data.DARKROOM_METRICS_PORT", "9101"),
    ("ports_are_those_of_the_settings", API, f"{CONTAINER}.livenessProbe.httpGet.port", "web"),
    ("selectors_select", API, "spec.selector.matchLabels", {"app.kubernetes.io/name": "darkroom"}),
    ("services_lead_to_ports", "Service/darkroom-api", "spec.ports.0.targetPort", "web"),
    ("services_lead_to_ports", RULES, "spec.rules.0.http.paths.0.backend.service.name", "darkroom"),
    ("monitors_lead_to_ports", "ServiceMonitor/darkroom-api", "spec.endpoints.0.port", "web"),
    ("monitors_lead_to_ports", "PodMonitor/darkroom-workers", "spec.podMetricsEndpoints.0.port", "http"),
    ("volumes_are_there", "PersistentVolumeClaim/darkroom-pictures", "metadata.name", "pictures"),
    ("volumes_are_there", WORKER, f"{CONTAINER}.volumeMounts.2", GONE),
    ("pictures_are_shared", API, f"{POD}.volumes.0", {"name": "pictures", "emptyDir": {"sizeLimit": "1Gi"}}),
    ("pictures_are_shared", "PersistentVolumeClaim/darkroom-pictures", "spec.accessModes", ["ReadWriteOnce"]),
    ("models_fit_into_memory", WORKER, f"{CONTAINER}.resources.limits.memory", "2Gi"),
    ("nothing_passes_by_itself", "NetworkPolicy/darkroom-nothing", "spec.policyTypes", ["Ingress"]),
    ("every_port_has_callers_and_no_more_than_are_meant", "NetworkPolicy/darkroom-metrics", "spec.ingress", []),
    ("every_port_has_callers_and_no_more_than_are_meant", "NetworkPolicy/darkroom-redis", "spec.ingress.0.from.0",
     {"namespaceSelector": {}}),
    ("every_policy_is_for_somebody", "NetworkPolicy/darkroom-redis", "spec.podSelector.matchLabels", {"name": "redis"}),
    ("everything_of_ours_reaches_names_and_redis", "NetworkPolicy/darkroom-to-redis", "spec.egress", []),
    ("only_public_addresses_are_called", "NetworkPolicy/darkroom-to-public", f"{FIRST_BLOCK}.except.5", GONE),
    ("only_public_addresses_are_called", "NetworkPolicy/darkroom-to-public", "spec.podSelector", {}),
    ("who_calls_strangers_may", "Deployment/darkroom-courier", "spec.template.metadata.labels.darkroom/egress", GONE),
    ("who_calls_strangers_may", API, "spec.template.metadata.labels.darkroom/egress", "public"),
    ("the_proxy_waits_as_long_as_clients_may", RULES, "metadata.annotations.haproxy~org/timeout-server", "300s"),
    ("the_proxy_waits_as_long_as_clients_may", RULES, f"metadata.annotations.{NGINX}/proxy-body-size", "1m"),
    ("the_inside_is_not_shown_outside", RULES, "spec.rules.0.http.paths.4.pathType", "Prefix"),
    ("only_one_decides_how_many", API, "spec.replicas", 2),
    ("every_scaler_has_a_target_and_bounds", SCALER, "spec.scaleTargetRef.name", "worker"),
    ("as_many_workers_are_asked_for_as_the_jobs_fill", SCALER, "spec.triggers.0.metadata.threshold", "8"),
    ("custom_resources_have_known_fields_alone", SCALER, "spec.minReplicas", 1),
    ("custom_resources_have_known_fields_alone", SCALER, "spec.triggers.0.metadata.threshold", 16),
    ("custom_resources_have_known_fields_alone", "PodMonitor/darkroom-workers", "spec.endpoints", []),
]  # fmt: skip


@cache
def rendered(entry: str) -> list[Document]:
    return render(KUBERNETES / entry)


@cache
def secrets() -> dict[str, set[str]]:
    return secrets_told_of("".join(path.read_text() for path in sorted(KUBERNETES.rglob("kustomization.yaml"))))


def broken(documents: list[Document], where: str, path: str, value: Any) -> list[Document]:
    """The documents with another value, or none, at a path of one of them; `~` stands for a dot."""
    documents = copy.deepcopy(documents)
    (document,) = [each for each in documents if f"{each['kind']}/{each['metadata']['name']}" == where]
    steps: list[Any] = [int(step) if step.isdigit() else step.replace("~", ".") for step in path.split(".")]
    inner, last = reduce(getitem, steps[:-1], document), steps[-1]
    if value is GONE:
        del inner[last]
    else:
        inner[last] = value
    return documents


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_policy_holds(entry: str) -> None:
    assert complaints(Cluster(rendered(entry), secrets())) == []


@pytest.mark.parametrize(("policy", "where", "path", "value"), FAULTS)
def test_a_fault_is_told_of(policy: str, where: str, path: str, value: Any) -> None:
    documents = broken(rendered("overlays/keda"), where, path, value)

    told = list(POLICIES[policy](Cluster(documents, secrets())))

    assert told


def test_every_policy_has_a_fault_that_it_tells_of() -> None:
    assert {policy for policy, *_ in FAULTS} == POLICIES.keys()


def test_every_component_is_in_an_overlay() -> None:
    used = {
        Path(component).name
        for path in (KUBERNETES / "overlays").glob("*/kustomization.yaml")
        for component in yaml.safe_load(path.read_text())["components"]
    }

    assert used == {path.name for path in (KUBERNETES / "components").iterdir()}


@pytest.mark.parametrize("entry", ENTRIES)
def test_our_images_are_of_the_version_that_this_is(entry: str) -> None:
    images = {each.container["image"] for each in Cluster(rendered(entry), {}).parts()}

    assert {image.split(":")[1].removesuffix("-cuda") for image in images} == {installed_version()}


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_gpu_goes_with_the_image_and_the_device_for_it(entry: str) -> None:
    (worker,) = Cluster(rendered(entry), {}).parts("worker")

    has_gpu = "nvidia.com/gpu" in worker.container["resources"]["limits"]
    assert worker.container["image"].endswith("-cuda") == has_gpu
    assert (worker.settings.device == "cuda") == has_gpu


def test_the_catalogue_can_be_read(tmp_path: Path) -> None:
    (found,) = [each for each in rendered("overlays/gpu") if each["metadata"]["name"] == "darkroom-catalogue"]
    (tmp_path / "models.toml").write_text(found["data"]["models.toml"])

    assert Catalogue.read(tmp_path / "models.toml").models


def test_all_that_is_for_callers_is_shown_outside(tmp_path: Path) -> None:
    (ingress,) = [each for each in rendered("base") if each["kind"] == "Ingress"]
    shown = ingress["spec"]["rules"][0]["http"]["paths"]
    app = create_app(Settings(_env_file=None, state_dir=tmp_path))  # type: ignore[call-arg]

    paths = {each.path for each in [*app.routes, *page.router.routes] if isinstance(each, Route)} | set(
        app.openapi()["paths"]
    )

    assert {path for path in paths if not any(leads_to(each, path) for each in shown)} == set(INSIDE)
