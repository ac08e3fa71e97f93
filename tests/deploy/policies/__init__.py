"""What must hold of our manifests, beyond that Kubernetes takes them: each policy tells what does not."""

from collections.abc import Callable, Iterator

from tests.deploy.cluster import Cluster
from tests.deploy.policies import custom_resources, life, network, scaling, security, wiring

Policy = Callable[[Cluster], Iterator[str]]

POLICIES: dict[str, Policy] = {
    name: thing
    for module in (security, life, wiring, network, scaling, custom_resources)
    for name, thing in vars(module).items()
    if getattr(thing, "__module__", "") == module.__name__ and not name.startswith("_")
}


def complaints(cluster: Cluster) -> list[str]:
    return [complaint for policy in POLICIES.values() for complaint in policy(cluster)]
