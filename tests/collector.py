"""An OTLP collector: what the real exporter has sent to it, as spans."""

from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.worker.receiver import Receiver


@dataclass(frozen=True)
class Collected:
    """One span, and the service that it is of."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: list[str]  # the spans that it names
    error: str
    seconds: float


def base(collector: Receiver) -> str:
    return f"http://127.0.0.1:{collector.port}"


def collected(collector: Receiver) -> list[Collected]:
    assert {heard.path for heard in collector.heard} <= {"/v1/traces"}
    requests = [ExportTraceServiceRequest.FromString(heard.body) for heard in list(collector.heard)]
    return [
        Collected(
            service=_values(of_service.resource.attributes)["service.name"],
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes=_values(span.attributes),
            links=[link.span_id.hex() for link in span.links],
            error=span.status.message,
            seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        )
        for request in requests
        for of_service in request.resource_spans
        for of_scope in of_service.scope_spans
        for span in of_scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
