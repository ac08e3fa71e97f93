import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq.job import Job

from app import up, workers
from app.contract import otlp, tracing
from app.contract.job_store import JobStore
from app.contract.names import OPEN_TENANT
from app.contract.settings import Settings
from app.contract.unstartable import Unstartable
from app.main import create_app
from tests.app.contract.asked import generation
from tests.collector import base, collected
from tests.worker.receiver import HANG, Receiver, receiving

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = (f"00-{TRACE}-{PARENT}-{flags}" for flags in ("01", "00"))


@contextmanager
def tracing_to(collector: Receiver) -> Iterator[tracing.Tracer]:
    with closing(tracing.tracer(Settings(otlp_endpoint=base(collector)), "darkroom-test")) as tracer:
        yield tracer


def test_a_span_goes_on_with_a_trace_and_has_parts() -> None:
    with receiving() as collector, tracing_to(collector) as tracer:
        with tracer.span("work", "consumer", {"a": 1}, parent=SAMPLED) as span:
            inside = tracing.current.get()
            span.before("wait", 10.0, 12.0)
            span.part("step", 12.0, 12.5)
            span.fail("out_of_memory")
        tracer.close()

        spans = {each.name: each for each in collected(collector)}
    assert {each.trace_id for each in spans.values()} == {TRACE}
    assert (spans["work"].parent_id, spans["wait"].parent_id) == (PARENT, PARENT)
    assert spans["step"].parent_id == spans["work"].span_id
    assert (spans["wait"].seconds, spans["step"].seconds) == (2.0, 0.5)
    assert (spans["work"].error, spans["work"].attributes) == ("out_of_memory", {"a": 1, "error.type": "out_of_memory"})
    assert inside == f"00-{TRACE}-{spans['work'].span_id}-01"
    assert tracing.current.get() is None


@pytest.mark.parametrize("place", ["parent", "link"])
def test_what_its_caller_does_not_trace_is_not_traced_here(place: str) -> None:
    with receiving() as collector, tracing_to(collector) as tracer:
        with tracer.span("work", "consumer", {}, **{place: UNSAMPLED}):
            inside = tracing.current.get()
        tracer.close()

        assert collector.heard == []
    assert str(inside).startswith(f"00-{TRACE}-")
    assert str(inside).endswith("-00")


@pytest.mark.parametrize("sent", ["", "nonsense", f"00-{TRACE}-{'0' * 16}-01"])
def test_a_parent_that_cannot_be_read_is_none(sent: str) -> None:
    with receiving() as collector, tracing_to(collector) as tracer:
        with tracer.span("work", "server", {}, parent=sent) as span:
            span.before("wait", 10.0, 12.0)
        tracer.close()

        [span_sent] = collected(collector)
    assert (span_sent.name, span_sent.parent_id) == ("work", "")


def test_a_collector_that_hangs_delays_neither_the_work_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "CLOSE_S", 0.2)
    with receiving(HANG) as collector, tracing_to(collector) as tracer:
        for _ in range(3_000):  # more than are kept for it
            with tracer.span("work", "consumer", {}):
                pass
        began = time.monotonic()
        tracer.close()

        assert time.monotonic() - began < otlp.EXPORT_S
        assert collector.heard


@pytest.mark.anyio
async def test_the_trace_of_the_first_request_stays_with_the_job(store: JobStore, redis: Redis) -> None:
    for traceparent in (SAMPLED, UNSAMPLED):
        token = tracing.current.set(traceparent)
        await store.admit(generation(), "mine", tenant=OPEN_TENANT)
        tracing.current.reset(token)
    await store.admit(generation(), "other", tenant=OPEN_TENANT)

    assert redis.hget(Job.key_for("mine"), "darkroom_trace") == SAMPLED.encode()
    assert not redis.hexists(Job.key_for("other"), "darkroom_trace")


STARTS: dict[str, Callable[[Settings], Any]] = {
    "up": lambda settings: asyncio.run(up.up(settings, print)),
    "api": create_app,
    "worker": lambda settings: asyncio.run(workers.work(settings, print)),
    "courier": lambda settings: asyncio.run(workers.deliver(settings, print)),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_without_the_packages_nothing_starts_that_is_to_trace(
    start: Callable[[Settings], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "app.contract.otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(Unstartable, match=r"opentelemetry\.sdk\.trace: pip install 'darkroom\[tracing\]'"):
        start(Settings(otlp_endpoint="http://127.0.0.1:4318", state_dir=tmp_path))
