"""What may reach whom."""

from collections.abc import Iterator
from typing import Any

from app.courier.ranges import NOT_PUBLIC_IPV4, NOT_PUBLIC_IPV6, PUBLIC_IPV6
from app.waiting import WAIT_MAX_S
from tests.deploy.cluster import Cluster, Workload, leads_to, quantity

INSIDE = ("/livez", "/readyz", "/metrics")
PUBLIC = "darkroom/egress"
FOR_PUBLIC = {"matchLabels": {PUBLIC: "public"}}


def nothing_passes_by_itself(cluster: Cluster) -> Iterator[str]:
    nothing = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if nothing not in [each["spec"] for each in cluster.of("NetworkPolicy")]:
        yield "There is no NetworkPolicy that lets nothing pass."


def every_port_has_callers_and_no_more_than_are_meant(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        rules = [rule for policy in _of(cluster, each) for rule in policy.get("ingress", [])]
        open_ports = {port["port"] for rule in rules for port in rule["ports"]}
        if open_ports != set(each.ports.values()):
            yield f"{each.name}: callers reach the ports {sorted(open_ports)}, and it has {each.ports}."
        callers = [caller for rule in rules for caller in rule["from"]]
        allowed = {"namespaceSelector"} if each.part else {"podSelector"}
        if any(caller.keys() != allowed or not all(caller.values()) for caller in callers):
            yield f"{each.name}: more may call it than is meant."


def every_policy_is_for_somebody(cluster: Cluster) -> Iterator[str]:
    for each in cluster.of("NetworkPolicy"):
        if not cluster.selected(each["spec"]["podSelector"]):
            yield f"The NetworkPolicy {each['metadata']['name']} is for no pod."


def everything_of_ours_reaches_names_and_redis(cluster: Cluster) -> Iterator[str]:
    for each in cluster.workloads:
        ways = [rule for policy in _of(cluster, each) for rule in policy.get("egress", [])]
        if each.part and not {53, 6379} <= {port["port"] for rule in ways for port in rule["ports"]}:
            yield f"{each.name}: it does not reach both DNS and Redis."
        if not each.part and ways:
            yield f"{each.name}: it has nobody to call."


def only_public_addresses_are_called(cluster: Cluster) -> Iterator[str]:
    """What the courier's own guard refuses, the network refuses too."""
    specs = [each["spec"] for each in cluster.of("NetworkPolicy")]
    rules = [rule for each in specs if each["podSelector"] == FOR_PUBLIC for rule in each["egress"]]
    blocks = [{to["ipBlock"]["cidr"]: to["ipBlock"]["except"] for to in rule["to"]} for rule in rules]
    if blocks != [{"0.0.0.0/0": [*map(str, NOT_PUBLIC_IPV4)], str(PUBLIC_IPV6): [*map(str, NOT_PUBLIC_IPV6)]}]:
        yield "The public addresses are not those of app/courier/ranges.py."
    (courier,) = cluster.parts("courier")
    if {port["port"] for rule in rules for port in rule["ports"]} != set(courier.settings.egress_port_numbers):
        yield "The public ports are not DARKROOM_EGRESS_PORTS."


def who_calls_strangers_may(cluster: Cluster) -> Iterator[str]:
    for each in cluster.parts():
        stores = each.part != "courier" and not each.settings.storage_address.startswith("file:")
        fetches = each.part == "worker" and each.settings.device == "cuda"
        if (each.labels.get(PUBLIC) == "public") != (each.part == "courier" or stores or fetches):
            yield f"{each.name}: it reaches public addresses for nothing, or has to and does not."


def the_proxy_waits_as_long_as_clients_may(cluster: Cluster) -> Iterator[str]:
    for ingress in cluster.of("Ingress"):
        notes = ingress["metadata"]["annotations"]
        api = cluster.parts("api")[0].settings
        for name in notes:
            if name.endswith(("timeout-server", "read-timeout")) and int(notes[name].rstrip("s")) <= max(
                api.openai_wait_s, WAIT_MAX_S
            ):
                yield f"The Ingress cuts off who waits: {name}."
            if name.endswith("body-size") and quantity(notes[name].replace("m", "Mi")) < api.max_body_bytes:
                yield f"The Ingress refuses bodies that the API takes: {name}."


def the_inside_is_not_shown_outside(cluster: Cluster) -> Iterator[str]:
    for ingress in cluster.of("Ingress"):
        for path in [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]:
            if any(leads_to(path, each) for each in INSIDE):
                yield f"The Ingress shows the inside through {path['path']}."


def _of(cluster: Cluster, workload: Workload) -> list[dict[str, Any]]:
    specs = [each["spec"] for each in cluster.of("NetworkPolicy")]
    return [spec for spec in specs if workload in cluster.selected(spec["podSelector"])]
