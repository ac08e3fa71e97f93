import pytest

from tests.collector import Collected, collected
from tests.service.conftest import Service
from tests.worker.receiver import Receiver

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STAGES = {"load", "encode", "denoise", "decode", "save"}


@pytest.fixture(scope="module")
def job_id(service: Service, receiver: Receiver) -> str:
    """A job whose caller traces it, with a webhook."""
    told_before = len(receiver.heard)
    body = {"prompt": "a marked wish", "negative_prompt": "a marked fear", "num_inference_steps": 2}
    hook = {"webhook": {"url": f"{receiver.url}/marked"}}
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    job = service.http.post("/v1/jobs", json=body | hook, headers=headers).json()["id"]
    assert service.ended(job)["status"] == "succeeded"
    service.wait_for(lambda: len(receiver.heard) > told_before)
    return job


def of_job(collector: Receiver) -> dict[str, Collected]:
    """The spans of its trace, and its deliveries'."""
    spans = collected(collector)
    ids = {span.span_id for span in spans if span.trace_id == TRACE}
    return {span.name: span for span in spans if span.trace_id == TRACE or ids & set(span.links)}


def test_a_job_is_one_trace_over_all_processes(service: Service, collector: Receiver, job_id: str) -> None:
    names = {"POST /v1/jobs", "queue", "develop", "deliver", *STAGES}
    service.wait_for(lambda: set(of_job(collector)) == names)

    spans = of_job(collector)
    asked, developed, delivered = spans["POST /v1/jobs"], spans["develop"], spans["deliver"]
    assert {span.service for span in spans.values()} == {"darkroom-api", "darkroom-worker", "darkroom-courier"}
    assert asked.parent_id == CALLER
    assert {spans["queue"].parent_id, developed.parent_id} == {asked.span_id}
    assert {spans[name].parent_id for name in STAGES} == {developed.span_id}
    assert sum(spans[name].seconds for name in STAGES) == pytest.approx(developed.seconds, rel=0.2)
    assert delivered.trace_id != TRACE
    assert delivered.links == [asked.span_id]
    assert {span.attributes["darkroom.job_id"] for span in (asked, delivered)} == {job_id}


def test_what_was_asked_for_is_in_the_trace_but_for_its_words(
    service: Service, collector: Receiver, receiver: Receiver, job_id: str
) -> None:
    service.http.get(f"/v1/jobs/{job_id}/images/0", params={"sig": "a-marked-signature", "exp": 1})
    service.http.get("/livez")
    service.wait_for(lambda: any("images" in span.name for span in collected(collector)))

    asked = {"model": "mini", "steps": 2, "width": 128, "height": 128, "num_images": 1, "attempt": 1}
    developed = of_job(collector)["develop"].attributes
    assert asked.items() <= {name.removeprefix("darkroom."): value for name, value in developed.items()}.items()
    assert not any(b"marked" in heard.body for heard in collector.heard)
    assert not any(b"livez" in heard.body for heard in collector.heard)
    assert not any("traceparent" in heard.headers for heard in receiver.heard)
