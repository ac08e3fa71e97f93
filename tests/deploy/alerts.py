"""The rules of Prometheus are well-formed, and each alert is seen to fire and to be quiet."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.deploy import debian
from tests.deploy.report import Line
from tests.deploy.site import Site

RULES_FOUND = re.compile(r"SUCCESS: (\d+) rules found")
OF_ALERT = re.compile(r'ALERTS\{alertname="(\w+)"')


def alerts(site: Site) -> Iterator[Line]:
    debian.require("prometheus")
    folder = site.clone / "deploy/prometheus"
    checked = _promtool("check", "config", folder / "prometheus.yml")
    rules = sum(map(int, RULES_FOUND.findall(checked.stdout)))
    yield Line("promtool accepts the configuration and its rules", f"{rules} rules", checked.returncode == 0 < rules)
    tested = _promtool("test", "rules", folder / "alerts_test.yml")
    expectations = [each for test in _read(folder / "alerts_test.yml")["tests"] for each in test["promql_expr_test"]]
    yield Line("its tests of the rules pass", f"{len(expectations)} tests", tested.returncode == 0)
    names = {rule["alert"] for group in _read(folder / "alerts.yml")["groups"] for rule in group["rules"]}
    fired, quiet = _told(expectations, fires=True), _told(expectations, fires=False)
    figure = f"{len(names & fired)} fire, {len(names & quiet)} are quiet, of {len(names)}"
    yield Line("every alert is tested to fire and to be quiet", figure, names == fired & quiet)


def _promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)


def _told(expectations: list[dict], *, fires: bool) -> set[str]:
    """The alerts of which some test expects it."""
    meant = (each["expr"] for each in expectations if bool(each["exp_samples"]) == fires)
    return {found[1] for found in map(OF_ALERT.match, meant) if found}


def _read(path: Path) -> dict:
    return dict(yaml.safe_load(path.read_text()))
