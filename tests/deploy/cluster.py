import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.contract.settings import Settings
from tests.deploy.kustomization import Document

PREFIX = "DARKROOM_"
STANDS_FOR_A_SECRET = {"DARKROOM_REDIS_URL": "redis://darkroom-redis:6379/0"}


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet and the pods that it makes, of one container each."""

    document: Document
    shared: Mapping[str, Mapping[str, str]]  # the data of the ConfigMaps, by their names

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def spec(self) -> Document:
        return self.document["spec"]

    @property
    def labels(self) -> Mapping[str, str]:
        return self.spec["template"]["metadata"]["labels"]

    @property
    def pod(self) -> Document:
        return self.spec["template"]["spec"]

    @property
    def container(self) -> Document:
        (container,) = self.pod["containers"]
        return container

    @property
    def ports(self) -> dict[str, int]:
        return {each["name"]: each["containerPort"] for each in self.container["ports"]}

    @property
    def part(self) -> str:
        """Which of ours it is: api, worker or courier; else nothing."""
        command, *words = self.container["args"]
        return words[0] if command == "darkroom" else ""

    @cached_property
    def environment(self) -> dict[str, str]:
        """What its process reads; a value that a Secret holds is left out, but for Redis's address."""
        named = [each["configMapRef"]["name"] for each in self.container.get("envFrom", []) if "configMapRef" in each]
        values = {name: value for each in named for name, value in self.shared[each].items()}
        return values | {each["name"]: self._value(each) for each in self.container.get("env", [])}

    @cached_property
    def settings(self) -> Settings:
        """Raises ValidationError."""
        ours = {name.removeprefix(PREFIX).lower(): value for name, value in self.environment.items() if PREFIX in name}
        return Settings(_env_file=None, **ours)  # type: ignore[call-arg, arg-type]

    def _value(self, variable: Document) -> str:
        source = variable.get("valueFrom", {})
        if resource := source.get("resourceFieldRef"):
            where, what = resource["resource"].split(".")
            return str(self.container["resources"][where][what])
        return STANDS_FOR_A_SECRET.get(variable["name"], "") if source else variable["value"]


@dataclass(frozen=True)
class Cluster:
    """What stands in rendered manifests, and which Secrets their commentary has people make: name -> keys."""

    documents: list[Document]
    secrets: Mapping[str, set[str]]

    def of(self, *kinds: str) -> list[Document]:
        return [each for each in self.documents if each["kind"] in kinds]

    def names_of(self, kind: str) -> set[str]:
        return {each["metadata"]["name"] for each in self.of(kind)}

    @cached_property
    def workloads(self) -> list[Workload]:
        shared = {each["metadata"]["name"]: each["data"] for each in self.of("ConfigMap")}
        return [Workload(each, shared) for each in self.of("Deployment", "StatefulSet")]

    @property
    def deployments(self) -> list[Workload]:
        return [each for each in self.workloads if each.document["kind"] == "Deployment"]

    def parts(self, *which: str) -> list[Workload]:
        """Those of ours, or all of ours."""
        return [each for each in self.workloads if each.part and (each.part in which or not which)]

    def selected(self, selector: Document) -> list[Workload]:
        return [each for each in self.workloads if matches(selector, each.labels)]

    def scalers_of(self, workload: Workload) -> Iterator[Document]:
        for each in self.of("HorizontalPodAutoscaler", "ScaledObject"):
            target = each["spec"]["scaleTargetRef"]
            if (target.get("kind", "Deployment"), target["name"]) == (workload.document["kind"], workload.name):
                yield each


def matches(selector: Document, labels: Mapping[str, str]) -> bool:
    """As Kubernetes has it: an empty selector selects all."""
    same = all(labels.get(label) == value for label, value in selector.get("matchLabels", {}).items())
    return same and all(
        each["operator"] == "In" and labels.get(each["key"]) in each["values"]
        for each in selector.get("matchExpressions", [])
    )


def leads_to(path: Document, where: str) -> bool:
    """Whether a path of an Ingress takes this one."""
    if path["pathType"] == "Exact":
        return bool(where == path["path"])
    return f"{where}/".startswith(f"{path['path'].rstrip('/')}/")


def secrets_told_of(text: str) -> dict[str, set[str]]:
    """The keys of each Secret that a command in this text makes."""
    told: dict[str, set[str]] = {}
    for name, arguments in re.findall(r"create secret generic (\S+)(.*)", text):
        told.setdefault(name, set()).update(re.findall(r"--from-literal=(\w+)=", arguments))
    return told


def quantity(value: Any) -> float:
    """Cores or bytes, as in 250m, 4Gi, 20m of a proxy, or a mere number."""
    number, unit = re.fullmatch(r"([\d.]+)([a-zA-Z]*)", str(value)).groups()  # type: ignore[union-attr]
    return float(number) * {"": 1, "m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[unit]
