"""How many pods there are."""

from collections.abc import Iterator

from tests.deploy.cluster import Cluster


def only_one_decides_how_many(cluster: Cluster) -> Iterator[str]:
    for each in cluster.deployments:
        scalers = list(cluster.scalers_of(each))
        if len(scalers) + ("replicas" in each.spec) != 1:
            yield f"{each.name}: not one thing but {len(scalers)} scalers and `replicas` decide how many there are."


def every_scaler_has_a_target_and_bounds(cluster: Cluster) -> Iterator[str]:
    found = [scaler for each in cluster.deployments for scaler in cluster.scalers_of(each)]
    for each in cluster.of("HorizontalPodAutoscaler", "ScaledObject"):
        spec, name = each["spec"], each["metadata"]["name"]
        if each not in found:
            yield f"The {each['kind']} {name} scales nothing."
        least, most = (
            spec.get(a, spec.get(b, 0))
            for a, b in (("minReplicas", "minReplicaCount"), ("maxReplicas", "maxReplicaCount"))
        )
        if least >= most:
            yield f"The {each['kind']} {name} has no room: {least} to {most}."


def as_many_workers_are_asked_for_as_the_jobs_fill(cluster: Cluster) -> Iterator[str]:
    for scaler in cluster.of("ScaledObject"):
        (worker,) = [each for each in cluster.deployments if scaler in cluster.scalers_of(each)]
        settings, (trigger,) = worker.settings, scaler["spec"]["triggers"]
        if (
            settings.workers == "auto"
            or float(trigger["metadata"]["threshold"]) != settings.max_jobs * settings.workers
        ):
            yield "The threshold is not what one pod develops at once: DARKROOM_MAX_JOBS times DARKROOM_WORKERS."
        if trigger["metricType"] != "AverageValue" or trigger["metadata"]["ignoreNullValues"] != "false":
            yield "The jobs are not shared out, or a silent Prometheus would end all workers."
