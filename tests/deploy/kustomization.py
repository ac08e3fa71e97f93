"""The part of kustomize that deploy/kubernetes uses, without its binary: CI has none. The case `manifests` compares."""

from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

KEYS = {"containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath"}


def render(folder: Path) -> list[Document]:
    """The documents that a kustomization stands for; the names of its ConfigMaps carry no hash."""
    documents: list[Document] = []
    _accumulate(folder, documents)
    return documents


def merged(old: Document, patch: Document) -> Document:
    """The strategic merge of a patch: lists of named things by their names, all other lists as a whole."""
    result = dict(old)
    for field, value in patch.items():
        if value is None:
            result.pop(field, None)
        elif isinstance(value, dict):
            result[field] = merged(old.get(field, {}), value)
        elif field in KEYS:
            result[field] = _merged_list(old.get(field, []), value, KEYS[field])
        else:
            result[field] = value
    return result


def _merged_list(old: list[Document], patch: list[Document], key: str) -> list[Document]:
    result = {each[key]: each for each in old}
    for each in patch:
        if _deletes(each):
            del result[each[key]]
        else:
            result[each[key]] = merged(result.get(each[key], {}), each)
    return list(result.values())


def _accumulate(folder: Path, documents: list[Document]) -> None:
    (kustomization,) = _read(folder / "kustomization.yaml")
    for name in kustomization.get("resources", []):
        documents += render(folder / name) if (folder / name).is_dir() else _read(folder / name)
    for name in kustomization.get("components", []):
        _accumulate(folder / name, documents)
    for generator in kustomization.get("configMapGenerator", []):
        _generate(folder, generator, documents)
    for patch in kustomization.get("patches", []):
        (change,) = _read(folder / patch["path"])
        _patch(patch.get("target"), change, documents)
    for image in kustomization.get("images", []):
        _tag(image, documents)
    if namespace := kustomization.get("namespace"):
        for each in documents:
            each["metadata"] |= {} if each["kind"] == "Namespace" else {"namespace": namespace}


def _read(path: Path) -> list[Document]:
    return list(yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader))


def _deletes(patch: Document) -> bool:
    return patch.get("$patch") == "delete"


def _patch(target: Document | None, patch: Document, documents: list[Document]) -> None:
    for n, each in reversed(list(enumerate(documents))):
        if _selects(target, each) if target else _id(each) == _id(patch):
            documents[n : n + 1] = [] if _deletes(patch) else [merged(each, patch)]


def _id(document: Document) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def _selects(target: Document, document: Document) -> bool:
    label, value = target["labelSelector"].split("=")
    return bool(document["metadata"].get("labels", {}).get(label) == value)


def _generate(folder: Path, generator: Document, documents: list[Document]) -> None:
    lines = [line for name in generator.get("envs", []) for line in (folder / name).read_text().splitlines()]
    pairs = [line for line in lines if line and not line.startswith("#")] + generator.get("literals", [])
    files = {name: (folder / name).read_text() for name in generator.get("files", [])}
    metadata = {field: generator[field] for field in ("name", "namespace") if field in generator}
    data = dict(pair.split("=", 1) for pair in pairs) | files
    generated = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    if generator.get("behavior") == "merge":
        _patch(None, generated, documents)
    else:
        documents.append(generated)


def _tag(image: Document, documents: list[Document]) -> None:
    for document in documents:
        pod = document.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            if container["image"].split(":")[0] == image["name"]:
                container["image"] = f"{image['name']}:{image['newTag']}"
