"""Traces as OpenTelemetry keeps them, sent by OTLP over HTTP; its own variables (OTEL_...) are in force as always."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace import Span as Traced
from opentelemetry.trace import Tracer as Tracing
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.contract.tracing import Attributes, Kind, Span, Tracer, current
from app.contract.version import installed_version

PATH = "/v1/traces"
EXPORT_S = 5.0  # for one batch, with what is tried again
CLOSE_S = 1.0
KINDS = {"server": SpanKind.SERVER, "consumer": SpanKind.CONSUMER}
w3c = TraceContextTextMapPropagator()
logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # it warns of each try that a collector does not take


class OtlpSpan(Span):
    def __init__(self, span: Traced, parent: Context, tracing: Tracing) -> None:
        self.context = set_span_in_context(span, Context())
        self._span = span
        self._parent = parent
        self._tracing = tracing

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def fail(self, code: str) -> None:
        self._span.set_attribute("error.type", code)
        self._span.set_status(Status(StatusCode.ERROR, code))

    def part(self, name: str, began: float, ended: float) -> None:
        self._add(self.context, name, began, ended)

    def before(self, name: str, began: float, ended: float) -> None:
        if _place(self._parent).is_valid:
            self._add(self._parent, name, began, ended)

    def _add(self, parent: Context, name: str, began: float, ended: float) -> None:
        self._tracing.start_span(name, parent, start_time=_ns(began)).end(_ns(ended))


class OtlpTracer(Tracer):
    """Sends spans in batches, from a thread of its own; what the collector does not take in time is dropped."""

    def __init__(self, endpoint: str, service: str) -> None:
        resource = Resource.create({"service.name": service, "service.version": installed_version()})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint + PATH, timeout=EXPORT_S)))
        self._tracing = self._provider.get_tracer("darkroom", installed_version())

    @contextmanager
    def span(
        self, name: str, kind: Kind, attributes: Attributes, *, parent: str | None = None, link: str | None = None
    ) -> Iterator[Span]:
        linked, context = _read(link), _read(parent)
        if _place(linked).is_valid and not _place(linked).trace_flags.sampled:
            context = linked  # what nobody traces is not traced here either
        links = [Link(_place(linked))] if link else []
        opened = self._tracing.start_span(name, context, KINDS[kind], attributes, links)
        span = OtlpSpan(opened, context, self._tracing)
        token = current.set(_written(span.context))
        try:
            yield span
        finally:
            current.reset(token)
            opened.end()

    def close(self) -> None:
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)  # for a collector that hangs
        closing.start()
        closing.join(CLOSE_S)


def _read(traceparent: str | None) -> Context:
    return w3c.extract({"traceparent": traceparent} if traceparent else {}, Context())


def _place(context: Context) -> SpanContext:
    return get_current_span(context).get_span_context()


def _written(context: Context) -> str | None:
    carrier: dict[str, str] = {}
    w3c.inject(carrier, context)
    return carrier.get("traceparent")


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
