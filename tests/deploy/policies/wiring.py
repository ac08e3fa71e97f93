"""Whatever a document names is there."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import ValidationError

from app.contract.settings import Settings
from tests.deploy.cluster import PREFIX, Cluster, Workload, matches, quantity

NAMED = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def settings_are_settings(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        yield from (
            f"{each.name}: there is no setting {name}."
            for name in sorted(each.environment.keys() - NAMED)
            if name.startswith(PREFIX)
        )
        try:
            _ = each.settings
        except ValidationError as error:
            yield f"{each.name}: {error}"


def ports_are_those_of_the_settings(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        if each.part:
            told = {"http": each.settings.port, "metrics": each.settings.metrics_port}
            yield from (f"{each.name}: its port {n} is {told[n]}." for n, port in each.ports.items() if told[n] != port)
            if each.settings.host != "0.0.0.0":  # noqa: S104 - what the pod is for
                yield f"{each.name}: only itself can reach it."
        probes = [each.container[name] for name in each.container if name.endswith("Probe")]
        asked = {probe[how]["port"] for probe in probes for how in ("httpGet", "tcpSocket") if how in probe}
        yield from (f"{each.name}: a probe asks an unknown port {port}." for port in asked - each.ports.keys())


def selectors_select(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        if not matches(each.spec["selector"], each.labels):
            yield f"{each.name}: its selector is not its pods'."
    for chooser in cluster.of("PodDisruptionBudget", "PodMonitor"):
        if not cluster.selected(chooser["spec"]["selector"]):
            yield f"The {chooser['kind']} {chooser['metadata']['name']} selects no pod."


def services_lead_to_ports(cluster: Cluster) -> Iterator[str]:
    for each in cluster.of("Service"):
        wanted = {port["targetPort"] for port in each["spec"]["ports"]}
        found = cluster.selected({"matchLabels": each["spec"]["selector"]})
        if len(found) != 1 or not wanted <= found[0].ports.keys():
            yield f"The Service {each['metadata']['name']} leads nowhere."
    services = {
        each["metadata"]["name"]: {port["name"] for port in each["spec"]["ports"]} for each in cluster.of("Service")
    }
    for ingress in cluster.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                if service["port"]["name"] not in services.get(service["name"], set()):
                    yield f"The Ingress leads from {path['path']} nowhere."


def monitors_lead_to_ports(cluster: Cluster) -> Iterator[str]:
    for each in cluster.of("ServiceMonitor"):
        found = [s for s in cluster.of("Service") if matches(each["spec"]["selector"], s["metadata"]["labels"])]
        ports = {port["name"] for service in found for port in service["spec"]["ports"]}
        if not {endpoint["port"] for endpoint in each["spec"]["endpoints"]} <= ports:
            yield f"The ServiceMonitor {each['metadata']['name']} finds no port."
    for each in cluster.of("PodMonitor"):
        wanted = {endpoint["port"] for endpoint in each["spec"]["podMetricsEndpoints"]}
        for workload in cluster.selected(each["spec"]["selector"]):
            if not wanted <= workload.ports.keys():
                yield f"The PodMonitor {each['metadata']['name']} finds no port of {workload.name}."


def volumes_are_there(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        declared = {volume["name"] for volume in each.pod.get("volumes", [])}
        declared |= {claim["metadata"]["name"] for claim in each.spec.get("volumeClaimTemplates", [])}
        if declared != {mount["name"] for mount in each.container["volumeMounts"]}:
            yield f"{each.name}: what is mounted is not what is declared: {sorted(declared)}."
        for volume in each.pod.get("volumes", []):
            yield from _missing(cluster, each, volume)


def _missing(cluster: Cluster, workload: Workload, volume: dict[str, dict[str, str]]) -> Iterator[str]:
    for source, kind, field in (
        ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
        ("configMap", "ConfigMap", "name"),
    ):
        if source in volume and (name := volume[source][field]) not in cluster.names_of(kind):
            yield f"{workload.name}: there is no {kind} {name}."


def pictures_are_shared(cluster: Cluster) -> Iterator[str]:
    """A folder of pictures is one volume of many writers in the API and the workers; else there is no volume."""
    volumes = []
    for each in cluster.parts("api", "worker"):
        storage = urlsplit(each.settings.storage_address)
        where = {mount["mountPath"]: mount["name"] for mount in each.container["volumeMounts"]}
        claims = {v["name"]: v.get("persistentVolumeClaim", {}).get("claimName") for v in each.pod["volumes"]}
        volumes.append(claims.get(where.get(storage.path, "")) if storage.scheme == "file" else storage.netloc)
    if None in volumes or len(set(volumes)) > 1:
        yield f"The API and the workers do not share their pictures: {volumes}."
    for claim in cluster.of("PersistentVolumeClaim"):
        if claim["metadata"]["name"] not in volumes or claim["spec"]["accessModes"] != ["ReadWriteMany"]:
            yield f"The volume {claim['metadata']['name']} is not for the pictures of many nodes."


def models_fit_into_memory(cluster: Cluster) -> Iterator[str]:
    for each in cluster.parts("worker"):
        if each.settings.device != "cuda":
            memory, most = each.settings.memory, quantity(each.container["resources"]["limits"]["memory"])
            if memory == "auto" or memory > most / 2:
                yield f"{each.name}: DARKROOM_MEMORY leaves too little of the limit: {memory} of {most:.0f}."
