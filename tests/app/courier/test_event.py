import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.contract.delivery import TEST_EVENT, Delivery
from app.contract.generation import Generation, Output
from app.contract.job import Development, JobRecord, JobStatus, Progress, StoredImage
from app.contract.links import Links
from app.courier.event import MOST_BYTES, body_of

AT = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
LINKS = Links(b"a secret of sixteen bytes and more", 3_600)


def delivery(**changes: Any) -> Delivery:
    fields = {"tenant": "acme", "record_id": "acme_job1", "event": "job.succeeded", "at": AT, "endpoint": "default"}
    return Delivery.model_validate({**fields, **changes})


def record(metadata: dict[str, str], images: int = 1, status: JobStatus = JobStatus.SUCCEEDED) -> JobRecord:
    generation = Generation(
        model="mini", prompt="a secret wish", negative_prompt="a secret fear", width=64, height=64, num_images=images,
        num_inference_steps=2, guidance_scale=1, seed=7, scheduler="DDIMScheduler", output=Output(), metadata=metadata,
    )  # fmt: skip
    stored = [
        StoredImage(
            key=f"k/{n}", content_type="image/png", width=64, height=64, bytes=9, sha256=f"{n:064x}", seed=7 + n
        )
        for n in range(images)
    ]
    return JobRecord(
        id="job1", tenant="acme", status=status, generation=generation, progress=Progress(total_steps=2),
        created_at=AT, development=Development(images=stored),
    )  # fmt: skip


def data_of(*arguments: Any) -> Any:
    return json.loads(body_of(*arguments))["data"]


def test_an_event_is_the_job_as_the_api_shows_it_without_what_was_wished_for() -> None:
    body = body_of(delivery(), record({"order": "ünï"}), LINKS)

    event = json.loads(body)
    assert list(event) == ["id", "object", "type", "created_at", "timestamp", "data"]
    assert (event["type"], event["object"], event["created_at"]) == ("job.succeeded", "event", 1_795_435_200)
    assert event["timestamp"] == "2026-11-23T12:00:00.250000Z"
    assert event["data"]["request"]["metadata"] == {"order": "ünï"}
    assert b"secret wish" not in body
    assert b"secret fear" not in body


def test_the_addresses_of_the_pictures_need_no_key() -> None:
    [image] = data_of(delivery(), record({}), LINKS)["images"]

    assert image["url"].startswith("/v1/jobs/job1/images/0?tenant=acme&exp=")


def test_all_who_are_told_of_one_end_hear_of_one_event() -> None:
    ids = {delivery(endpoint=endpoint).event_id for endpoint in ("default", "we_1")}

    assert len(ids) == 1
    assert delivery(event="job.failed").event_id not in ids
    assert delivery(record_id="acme_job2").event_id not in ids


def test_what_is_too_long_is_left_out() -> None:
    metadata = {f"{n:064}": "😀" * 512 for n in range(16)}

    with_request, without, bare = (record(*each) for each in (({},), (metadata,), (metadata, 200)))

    assert "request" in data_of(delivery(), with_request, LINKS)
    assert "request" not in data_of(delivery(), without, LINKS)
    assert len(data_of(delivery(), without, LINKS)["images"]) == 1
    assert data_of(delivery(), bare, LINKS) == {"id": "job1", "status": "succeeded"}
    for each in (with_request, without, bare):
        assert len(body_of(delivery(), each, LINKS)) <= MOST_BYTES


@pytest.mark.parametrize("now", [None, record({}, status=JobStatus.RUNNING)])
def test_of_a_job_that_was_erased_or_runs_again_only_the_end_is_told(now: JobRecord | None) -> None:
    assert data_of(delivery(), now, LINKS) == {"id": "job1", "status": "succeeded"}


def test_a_test_says_nothing() -> None:
    assert data_of(delivery(event=TEST_EVENT, record_id=""), None, LINKS) == {}
