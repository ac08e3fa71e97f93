"""The log of the session's service, which is in JSON and tells of requests and jobs, too."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from rq.job import Job

from app.contract import names
from tests.service.conftest import Service
from tests.worker.receiver import Receiver

TRACE = "1af7651916cd43dd8448eb211c80319d"
BODY = {"prompt": "a noted wish", "negative_prompt": "a noted fear", "num_inference_steps": 2}


@pytest.fixture
def garbled(service: Service) -> Iterator[str]:
    """A job whose record cannot be read, for what stands where its time should."""
    job_id = service.ended(service.post(**BODY)["id"])["id"]
    with Redis(unix_socket_path=str(service.state_dir / "redis.sock")) as redis:
        redis.hset(Job.key_for(job_id), "created_at", "a noted wish")
        yield job_id
        redis.delete(Job.key_for(job_id))
        redis.zrem(names.jobs_key(names.OPEN_TENANT), job_id)


def lines_of(service: Service, job_id: str, logger: str) -> list[dict[str, Any]]:
    return [line for line in service.lines() if line.get("job_id") == job_id and line["logger"] == logger]


def test_a_job_that_has_ended_is_a_line(service: Service) -> None:
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    job_id = service.ended(service.http.post("/v1/jobs", json=BODY, headers=headers).json()["id"])["id"]

    def told() -> list[dict[str, Any]]:  # beside what is told of its deliveries, should others want to hear of all jobs
        return [line for line in lines_of(service, job_id, "worker.witness") if "delivery_id" not in line]

    service.wait_for(lambda: bool(told()))
    [line] = told()
    assert (line["level"], line["model"], line["result"], line["attempt"]) == ("info", "mini", "succeeded", 1)
    assert 0 < line["denoise_s"] < line["seconds"]
    assert line["trace_id"] == TRACE
    asked = lines_of(service, job_id, "app.middleware")[0]
    assert (asked["route"], asked["status"], asked["trace_id"]) == ("/v1/jobs", 202, TRACE)


def test_no_line_holds_a_prompt_an_address_or_what_is_signed(
    service: Service, receiver: Receiver, garbled: str
) -> None:
    folder = service.state_dir / "images" / "darkroom-jobs"
    (folder / "no-folder").write_bytes(b"")
    heard = len(receiver.heard)

    hook = {"webhook": {"url": f"{receiver.url}/noted", "events": ["job.failed"]}}
    service.http.put("/v1/jobs/no-folder", json=BODY | hook)
    failed = service.ended("no-folder")
    broken = service.http.get(f"/v1/jobs/{garbled}", params={"sig": "a-noted-signature"})
    service.wait_for(lambda: len(receiver.heard) > heard)
    service.wait_for(lambda: any("delivery_id" in line and line["job_id"] == "no-folder" for line in service.lines()))

    assert (failed["error"]["code"], broken.status_code) == ("output_unstored", 500)
    [ended] = lines_of(service, "no-folder", "worker.witness")[:1]
    assert (ended["result"], ended["code"]) == ("failed", "output_unstored")
    [fault] = [line for line in service.lines() if line["level"] == "error" and "ValueError" in line["message"]]
    assert fault["request_id"] == broken.headers["x-request-id"]
    assert service.log
    assert "noted" not in service.log.read_text()
