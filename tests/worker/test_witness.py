import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest
from redis import Redis

from app.contract import names, tracing
from app.contract.otlp import OtlpTracer
from tests.collector import Collected, base, collected
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand
from tests.worker.receiver import Receiver, receiving
from worker.queue import TryAgain, endings
from worker.witness import delivering, developing

TRACE, REQUEST = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRETS = {"prompt": "a marked wish", "negative_prompt": "a marked fear"}


@pytest.fixture(autouse=True)
def request_traced() -> Iterator[None]:
    """All jobs of these tests come by one request."""
    token = tracing.current.set(f"00-{TRACE}-{REQUEST}-01")
    yield
    tracing.current.reset(token)


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiving() as collector:
        yield collector


@pytest.fixture
def tracer(collector: Receiver) -> Iterator[OtlpTracer]:
    with closing(OtlpTracer(base(collector), "darkroom-test")) as tracer:
        yield tracer


def sent(tracer: OtlpTracer, collector: Receiver) -> dict[str, Collected]:
    tracer.close()
    assert not any(b"marked" in heard.body for heard in collector.heard)
    return {span.name: span for span in collected(collector)}


def test_a_job_that_fails_is_told_with_its_code(
    front: Front, redis: Redis, tracer: OtlpTracer, collector: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "worker.witness")
    hand = Hand(redis, "darkroom-hand", ["mini"])
    front.admit(tenant="acme", **SECRETS)

    [claim] = hand.claim()
    with developing(claim, tracer):
        assert hand.fail(claim)

    spans = sent(tracer, collector)
    assert {(span.trace_id, span.parent_id) for span in spans.values()} == {(TRACE, REQUEST)}
    assert set(spans) == {"queue", "develop"}
    assert spans["develop"].error == "internal"
    assert spans["develop"].attributes["darkroom.result"] == "failed"
    [record] = caplog.records
    told = vars(record)["facts"]
    assert (told["model"], told["result"], told["code"], told["attempt"]) == ("mini", "failed", "internal", 1)


def test_a_job_that_is_canceled_has_not_failed(
    front: Front, redis: Redis, tracer: OtlpTracer, collector: Receiver
) -> None:
    hand = Hand(redis, "darkroom-hand", ["mini"])
    job_id = front.admit(**SECRETS)

    [claim] = hand.claim()
    with developing(claim, tracer):
        front.cancel(job_id)

    developed = sent(tracer, collector)["develop"]
    assert (developed.attributes["darkroom.result"], developed.error) == ("withdrawn", "")


def test_an_attempt_at_a_delivery_names_the_trace_of_its_job_and_no_address(
    end_job: Callable[..., str], redis: Redis, tracer: OtlpTracer, collector: Receiver
) -> None:
    job_id = end_job("https://example.com/marked", **SECRETS)
    courier = Hand(redis, "darkroom-courier", [names.DELIVERIES])

    [claim] = courier.claim()
    with delivering(claim, tracer):
        wish = TryAgain("The receiver at https://example.com/marked said no.", 5.0)
        end = courier.ledger.prepare(partial(endings.postponement, courier.worker, claim, wish))
        assert courier.ledger.commit(claim, end)

    delivered = sent(tracer, collector)["deliver"]
    assert (delivered.trace_id != TRACE, delivered.links, delivered.error) == (True, [REQUEST], "try_again")
    told = {"job_id": job_id, "delivery_id": claim.job_id, "event": "job.succeeded", "result": "postponed"}
    assert {f"darkroom.{name}": value for name, value in told.items()}.items() <= delivered.attributes.items()
