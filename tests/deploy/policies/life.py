"""How pods start, are watched, make way and end."""

from collections.abc import Iterator

from app import server
from tests.deploy.cluster import Cluster, Workload, quantity

SPARE_S = 10  # for what a process does before and after its work
GIVE_BACK_S = 30
KILLING = ("startupProbe", "livenessProbe")


def resources_are_asked_for_and_bounded(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        resources = each.container.get("resources", {})
        for what in ("cpu", "memory"):
            asked, most = (resources.get(which, {}).get(what) for which in ("requests", "limits"))
            if not asked or not most or quantity(asked) > quantity(most):
                yield f"{each.name}: {what} is not asked for and bounded: {asked}, {most}."
        for volume in each.pod.get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{each.name}: the volume {volume['name']} has no bound."


def probes_ask_the_right_thing(cluster: Cluster) -> Iterator[str]:
    """A probe that kills never asks /readyz, which may depend on Redis."""
    for each in cluster.workloads:
        probes = {name: each.container.get(name, {}) for name in (*KILLING, "readinessProbe")}
        yield from (f"{each.name}: there is no {name}." for name, probe in probes.items() if not probe)
        asked = {name: probe["httpGet"]["path"] for name, probe in probes.items() if "httpGet" in probe}
        if each.part and asked != dict.fromkeys(KILLING, "/livez") | {"readinessProbe": "/readyz"}:
            yield f"{each.name}: its probes ask {asked}."


def the_api_goes_when_nobody_asks_it_any_more(cluster: Cluster) -> Iterator[str]:
    for each in cluster.parts("api"):
        pause_s = each.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if pause_s < 5:
            yield f"{each.name}: it ends before the proxies know: preStop sleeps {pause_s} s."
        if _grace_s(each) < (least := pause_s + server.FIRST_REQUEST_S + server.GRACE_S + SPARE_S):
            yield f"{each.name}: terminationGracePeriodSeconds is less than {least:g}."


def workers_end_no_job_that_can_end_by_itself(cluster: Cluster) -> Iterator[str]:
    for each in cluster.parts("worker", "courier"):
        settings = each.settings
        if each.part == "worker" and settings.grace_s < settings.job_timeout_s:
            yield f"{each.name}: DARKROOM_GRACE_S is less than the longest job."
        if _grace_s(each) < settings.grace_s + GIVE_BACK_S:
            yield f"{each.name}: terminationGracePeriodSeconds is less than DARKROOM_GRACE_S and {GIVE_BACK_S} s."


def a_rollout_takes_no_pod_before_its_successor_is_ready(cluster: Cluster) -> Iterator[str]:
    for each in cluster.deployments:
        rolling = each.spec.get("strategy", {}).get("rollingUpdate")
        has_gpu = "nvidia.com/gpu" in each.container["resources"]["limits"]
        wanted = {"maxUnavailable": 1, "maxSurge": 0} if has_gpu else {"maxUnavailable": 0, "maxSurge": 1}
        if rolling != wanted:
            yield f"{each.name}: rollingUpdate is {rolling}, not {wanted}."


def nodes_can_be_emptied_one_pod_at_a_time(cluster: Cluster) -> Iterator[str]:
    for each in cluster.deployments:
        many = each.spec.get("replicas", 1) > 1 or any(cluster.scalers_of(each))
        budgets = [b for b in cluster.of("PodDisruptionBudget") if each in cluster.selected(b["spec"]["selector"])]
        if many and [budget["spec"].get("maxUnavailable") for budget in budgets] != [1]:
            yield f"{each.name}: a PodDisruptionBudget with maxUnavailable 1 is missing."
        if any(budget["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow" for budget in budgets):
            yield f"{each.name}: pods that are not ready would hold up their nodes."


def pods_are_spread_over_nodes(cluster: Cluster) -> Iterator[str]:
    for each in cluster.deployments:
        spread = each.pod.get("topologySpreadConstraints", [])
        if not any(each in cluster.selected(constraint["labelSelector"]) for constraint in spread):
            yield f"{each.name}: nothing spreads its pods."


def _grace_s(workload: Workload) -> int:
    return int(workload.pod.get("terminationGracePeriodSeconds", 30))
