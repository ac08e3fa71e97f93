"""Traces of requests, jobs and deliveries. What sends them is imported only if the settings name a collector.

No prompt, key or address is ever an attribute.
"""

# ruff: noqa: ARG002 - the tracer that traces nothing uses nothing that it is given

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from app.contract.settings import Settings
from app.contract.unstartable import Unstartable

Kind = Literal["server", "consumer"]
Attributes = Mapping[str, str | int | float | bool]

current: ContextVar[str | None] = ContextVar("traceparent", default=None)  # of the span under way, as W3C writes it


class Span:
    """Work under way. This one is traced by nobody."""

    def rename(self, name: str) -> None: ...

    def note(self, attributes: Attributes) -> None: ...

    def fail(self, code: str) -> None: ...

    def part(self, name: str, began: float, ended: float) -> None:
        """Adds a part that is over; its moments are in seconds since the epoch."""

    def before(self, name: str, began: float, ended: float) -> None:
        """Adds what came before it, under the same parent."""


class Tracer:
    """Opens spans. This one traces nothing."""

    @contextmanager
    def span(
        self, name: str, kind: Kind, attributes: Attributes, *, parent: str | None = None, link: str | None = None
    ) -> Iterator[Span]:
        """Goes on with the trace of the parent, or begins one and names that of the link; both as W3C writes them."""
        yield Span()

    def close(self) -> None:
        """Sends what is not sent yet, but waits for no collector for long."""


def tracer(settings: Settings, service: str) -> Tracer:
    """Who traces for this process.

    Raises Unstartable if the settings name a collector and the packages are not there.
    """
    require_packages(settings)
    if not settings.otlp_endpoint:
        return Tracer()
    from app.contract.otlp import OtlpTracer  # noqa: PLC0415 - its packages are an extra

    return OtlpTracer(settings.otlp_endpoint, service)


def require_packages(settings: Settings) -> None:
    """Raises Unstartable."""
    try:
        if settings.otlp_endpoint:
            importlib.import_module("app.contract.otlp")
    except ImportError as missing:
        raise Unstartable(
            f"Traces to DARKROOM_OTLP_ENDPOINT need {missing.name}: pip install 'darkroom[tracing]'."
        ) from missing
