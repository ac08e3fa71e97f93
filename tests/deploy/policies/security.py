"""Pod Security Standard "restricted", and more."""

import re
from collections.abc import Iterator

from tests.deploy.cluster import Cluster, Workload

PRIVATE = {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "initContainers", "ephemeralContainers"}
VOLUMES = {"configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


def namespaces_are_restricted(cluster: Cluster) -> Iterator[str]:
    for each in cluster.of("Namespace"):
        if each["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield "The Namespace does not enforce the Pod Security Standard restricted."


def no_pod_is_root(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        context = each.pod.get("securityContext", {})
        if context.get("runAsNonRoot") is not True:
            yield f"{each.name}: runAsNonRoot is not true."
        if context.get("runAsUser", 0) < 1 or (each.part and context["runAsUser"] != 10001):
            yield f"{each.name}: runAsUser is not the image's."
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{each.name}: seccompProfile is not RuntimeDefault."


def no_container_has_privileges(cluster: Cluster) -> Iterator[str]:
    wanted = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for each in cluster.workloads:
        if each.container.get("securityContext") != wanted:
            yield f"{each.name}: the container's securityContext is not {wanted}."


def pods_share_nothing_with_their_node(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        yield from (f"{each.name}: {field} is not for us." for field in sorted(PRIVATE & each.pod.keys()))
        for volume in each.pod.get("volumes", []):
            if kinds := volume.keys() - {"name"} - VOLUMES:
                yield f"{each.name}: a volume of the kind {kinds} is not allowed."


def pods_know_nothing_of_the_cluster(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        if each.pod.get("automountServiceAccountToken") is not False:
            yield f"{each.name}: automountServiceAccountToken is not false."
        if each.pod.get("enableServiceLinks") is not False:  # a Service `darkroom` would set DARKROOM_PORT
            yield f"{each.name}: enableServiceLinks is not false."


def images_have_a_version(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        image = each.container["image"]
        if not re.fullmatch(r"[\w./-]+:\d[\w.-]*", image):
            yield f"{each.name}: the image {image} has no version."


def no_secret_is_kept(cluster: Cluster) -> Iterator[str]:
    yield from (f"A Secret is kept in a file: {each}." for each in cluster.names_of("Secret"))


def every_secret_that_is_read_is_told_of(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        for name, keys in _secrets_of(each).items():
            if name not in cluster.secrets or not keys <= cluster.secrets[name]:
                yield f"{each.name}: no command is told that makes the Secret {name} with {sorted(keys)}."


def _secrets_of(workload: Workload) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for each in workload.container.get("envFrom", []):
        if "secretRef" in each:
            wanted.setdefault(each["secretRef"]["name"], set())
    for each in workload.container.get("env", []):
        if reference := each.get("valueFrom", {}).get("secretKeyRef"):
            wanted.setdefault(reference["name"], set()).add(reference["key"])
    return wanted
