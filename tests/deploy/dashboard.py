"""Every panel of the dashboard shows data, once the Darkroom that Prometheus watches has been through something."""

import json
import time
from collections.abc import Callable, Iterator

from app.contract.job import JobStatus
from tests.deploy import debian
from tests.deploy.prometheus import wait_until
from tests.deploy.report import Line
from tests.deploy.site import Site
from tests.deploy.watched import Watched, watched

DEATH = "DarkroomWorkersDie"
VARIABLES = {"$model": ".*", "$__rate_interval": "2m"}
PROMPT = "a cat wearing a space helmet"
JOBS = 4
STEPS = 4
MANY_STEPS = 50  # enough to be caught in the middle


def dashboard(site: Site) -> Iterator[Line]:
    debian.require("prometheus")
    panels = _panels(site)
    with watched(site) as live:
        death_told_s = _live_through_it(live)
        full = [title for title, expressions in panels.items() if all(map(live.prometheus.has_data, expressions))]
        shown = [expression for expressions in panels.values() for expression in expressions]
        empty = sorted(set(panels) - set(full))
        figure = f"{len(full)} of {len(panels)}, {len(shown)} expressions" + "".join(f"; not: {it}" for it in empty)
        yield Line("every panel of the dashboard, and its marks of alerts, show data of a real run", figure, not empty)
        models = live.prometheus.ask("/label/model/values", **{"match[]": "darkroom_jobs"})
        yield Line("its list of models is the catalogue", ", ".join(models), models == live.service.warm_models())
        told = [each for each in live.prometheus.ask("/alerts")["alerts"] if each["labels"]["alertname"] == DEATH]
        figure = f"{death_told_s:.1f} s: {' '.join(each['annotations']['summary'] for each in told)}"
        is_told_once = [each["labels"]["model"] for each in told] == models
        yield Line("a worker's death is an alert, one for both API replicas", figure, is_told_once)
        rules = [rule for group in live.prometheus.ask("/rules")["groups"] for rule in group["rules"]]
        well = [rule for rule in rules if rule["health"] == "ok"]
        yield Line(
            "no rule fails on what is really scraped", f"{len(well)} of {len(rules)}", len(well) == len(rules) > 0
        )


def _panels(site: Site) -> dict[str, list[str]]:
    """The expressions of each panel, as Grafana sends them."""
    told = json.loads((site.clone / "deploy/grafana/dashboards/darkroom.json").read_text())
    annotations = {each["name"]: [each["expr"]] for each in told["annotations"]["list"]}
    graphs = {
        panel["title"]: [target["expr"] for target in panel["targets"]]
        for panel in told["panels"]
        if "targets" in panel
    }
    return {title: list(map(_filled_in, expressions)) for title, expressions in (annotations | graphs).items()}


def _filled_in(expression: str) -> str:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def _live_through_it(live: Watched) -> float:
    """Jobs, a webhook each, a canceled one and a killed worker; returns when the death was told."""
    _develop(live, [_post(live) for _ in range(JOBS)])
    canceled = _post(live, MANY_STEPS)
    others = [_post(live) for _ in range(JOBS)]
    wait_until(lambda: live.service.job(canceled)["status"] == "running")
    live.service.worker().kill()
    live.service.http.post(f"/v1/jobs/{canceled}/cancel").raise_for_status()
    told_s = _seconds_until(lambda: live.prometheus.values(f'ALERTS{{alertname="{DEATH}", alertstate="firing"}}'))
    _develop(live, [canceled, *others])
    for _ in range(2):  # what shows a rate is to have grown between two scrapes
        live.prometheus.catch_up()
        _develop(live, [_post(live) for _ in range(JOBS)])
    live.prometheus.catch_up()
    return told_s


def _seconds_until(holds: Callable[[], object]) -> float:
    began = time.monotonic()
    wait_until(holds)
    return time.monotonic() - began


def _develop(live: Watched, jobs: list[str]) -> None:
    """Waits for their ends, and for the webhooks that tell of them."""
    wait_until(lambda: all(JobStatus(live.service.job(job)["status"]).is_terminal for job in jobs))
    wait_until(lambda: {json.loads(heard.body)["data"]["id"] for heard in live.receiver.heard} >= set(jobs))


def _post(live: Watched, steps: int = STEPS) -> str:
    webhook = {"url": f"{live.receiver.url}/dashboard"}
    return str(live.service.post(prompt=PROMPT, num_inference_steps=steps, webhook=webhook)["id"])
