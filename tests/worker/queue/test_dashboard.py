"""Every page and every JSON route of rq-dashboard, on a queue of ours."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from rq.serializers import JSONSerializer
from rq_dashboard import cli, web

from app.contract import names
from app.contract.job import JobStatus
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartWorker
from worker.queue import Claim

MINI = names.queue_name("mini")
Jobs = dict[str, str]


@pytest.fixture
def jobs(front: Front, redis: Redis, start_worker: StartWorker) -> Jobs:
    """One of each kind, by the name of rq's registry; the last one runs."""
    jobs = {kind: front.admit() for kind in ("finished", "failed", "started")}
    jobs |= {kind: front.admit() for kind in ("canceled", "queued")}
    front.cancel(jobs["canceled"])

    def develop(claim: Claim) -> dict[str, Any]:
        claim.report(4, 20)
        if claim.job_id == jobs["failed"]:
            raise RuntimeError("It has to fail.")
        if claim.job_id == jobs["started"]:
            eventually(lambda: claim.is_lost)
        return {"images": []}

    worker = start_worker(develop, capacity=1)
    front.wait_for(jobs["started"], JobStatus.RUNNING)
    eventually(lambda: redis.hget(worker.key, "state") == b"busy" and front.find(jobs["started"]).progress.step == 4)
    return jobs


@pytest.fixture
def dashboard(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """What `rq-dashboard --json` serves."""
    monkeypatch.setattr(web.config, "serializer", JSONSerializer)
    app = cli.make_flask_app(None, None, None, "")
    app.config["RQ_DASHBOARD_REDIS_URL"] = redis_url
    web.setup_rq_connection(app)
    return app.test_client()


def test_every_page_and_every_route_of_jobs_answers_and_shows_them(dashboard: FlaskClient, jobs: Jobs) -> None:
    pages = ["/", "/0/", "/0/view", "/0/view/queues", "/0/view/workers", "/0/view/jobs"]
    pages += [f"/0/view/jobs/{MINI}/{registry}/8/asc/1" for registry in jobs]
    pages += [f"/0/view/job/{job_id}" for job_id in jobs.values()]
    shown = {registry: ids(dashboard, registry) for registry in jobs}
    records = {registry: get(dashboard, f"/0/data/job/{job_id}.json") for registry, job_id in jobs.items()}
    [queue] = get(dashboard, "/0/data/queues.json")["queues"]

    assert {dashboard.get(page, follow_redirects=True).status_code for page in pages} == {200}
    assert shown == {registry: [job_id] for registry, job_id in jobs.items()}
    assert {registry: record["status"] for registry, record in records.items()} == {kind: kind for kind in jobs}
    assert json.loads(records["started"]["metadata"]) == {"progress": {"step": 4, "total_steps": 20}}
    assert records["finished"]["result"]["images"] == []
    assert "RuntimeError" in records["failed"]["exc_info"]
    assert {record["description"] for record in records.values()} == {"generate"}
    counts = [queue[f"{registry}_job_registry_count"] for registry in ("started", "finished", "failed", "canceled")]
    assert (queue["name"], queue["count"], counts) == (MINI, 1, [1, 1, 1, 1])


def test_workers_are_listed_when_they_are_idle(dashboard: FlaskClient, redis: Redis, start_worker: StartWorker) -> None:
    worker = start_worker(lambda _: {"images": []})
    eventually(lambda: redis.hget(worker.key, "state") == b"idle")

    [shown] = get(dashboard, "/0/data/workers.json")["workers"]  # 0.9 reads a busy one's job as pickle, and fails

    assert (shown["name"], shown["queues"], shown["state"]) == (worker.name, [MINI], "idle")


def test_the_dashboard_requeues_and_deletes_jobs(dashboard: FlaskClient, front: Front, jobs: Jobs) -> None:
    requeued = dashboard.post(f"/requeue/{MINI}").json
    deleted = dashboard.post(f"/job/{jobs['finished']}/delete").json

    assert (requeued, deleted) == ({"status": "OK", "count": 1}, {"status": "OK"})
    assert front.find(jobs["failed"]).status is JobStatus.QUEUED
    assert ids(dashboard, "finished") == []


def get(dashboard: FlaskClient, path: str) -> Any:
    answer = dashboard.get(path)
    assert answer.status_code == 200, path
    return answer.json


def ids(dashboard: FlaskClient, registry: str) -> list[str]:
    return [job["id"] for job in get(dashboard, f"/0/data/jobs/{MINI}/{registry}/8/asc/1.json")["jobs"]]
