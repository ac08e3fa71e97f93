"""What Kubernetes' own schemas know nothing of; a cluster drops unknown fields of it without a word."""

from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import yaml

from tests.deploy.cluster import Cluster

FIELDS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
FOREIGN = (".sh/", ".com/")


def custom_resources_have_known_fields_alone(cluster: Cluster) -> Iterator[str]:
    for each in cluster.documents:
        group, kind, name = each["apiVersion"], each["kind"], each["metadata"]["name"]
        if kind in FIELDS:
            for error in jsonschema_rs.validator_for({**FIELDS, "$ref": f"#/{kind}"}).iter_errors(each):
                yield f"{kind} {name}: {error.message} ({'/'.join(map(str, error.instance_path))})"
        elif any(ending in group for ending in FOREIGN):
            yield f"The fields of {group} {kind} are not known here."
