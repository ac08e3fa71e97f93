"""What is said of each claim in hand, in the log and in its trace: whose it is, what it took and how it ended.

Never what a prompt or an address may be in.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.contract import logs, names
from app.contract.delivery import Delivery
from app.contract.errors import GenerationFailed
from app.contract.generation import Generation
from app.contract.tracing import Attributes, Span, Tracer
from worker.queue import Claim

logger = logging.getLogger(__name__)


@contextmanager
def developing(claim: Claim, tracer: Tracer) -> Iterator[None]:
    """A job: it goes on with the trace of the request that it came by, and its stages are spans of their own."""
    began = time.monotonic()
    tenant = claim.address.get(b"darkroom_tenant", b"").decode(errors="replace")
    job_id, model = names.job_id(tenant, claim.job_id), names.model_of(claim.job.origin)
    with (
        logs.about(job_id=job_id),
        tracer.span("develop", "consumer", _asked(claim), parent=claim.trace) as span,
    ):
        yield
        for stage in claim.stages.ended:
            add = span.before if stage.name == "queue" else span.part
            add(*stage)
        stages = {f"{name}_s": round(seconds, 4) for name, seconds in claim.stages.seconds.items()}
        _tell(claim, span, began, "job", job_id, {"model": model, **stages})


@contextmanager
def delivering(claim: Claim, tracer: Tracer) -> Iterator[None]:
    """One attempt at a delivery: its trace is its own and names that of the job."""
    began = time.monotonic()
    about = _about(claim)
    with (
        logs.about(**about),
        tracer.span("deliver", "consumer", _prefixed(about), link=claim.trace) as span,
    ):
        yield
        _tell(claim, span, began, "delivery", claim.job_id, {})


def _tell(claim: Claim, span: Span, began: float, what: str, subject: str, more: dict[str, Any]) -> None:
    seconds = round(time.monotonic() - began, 4)
    ended: dict[str, str | int] = {"result": claim.result, "attempt": claim.attempt}
    if claim.error_code:
        ended["code"] = claim.error_code
        span.fail(claim.error_code)
    span.note(_prefixed(ended))
    told = {**ended, "seconds": seconds, **more}
    logger.info("The %s %s: %s after %.2f s.", what, subject, claim.result, seconds, extra={"facts": told})


def _about(claim: Claim) -> dict[str, str]:
    try:
        delivery = claim.read(Delivery)
    except GenerationFailed:  # that it cannot be read is the attempt's to find
        return {"delivery_id": claim.job_id}
    return {"delivery_id": claim.job_id, "job_id": delivery.job_id, "event": delivery.event}


def _asked(claim: Claim) -> Attributes:
    try:
        asked = claim.read(Generation)
    except GenerationFailed:
        return {}
    size = {"width": asked.width, "height": asked.height, "num_images": asked.num_images}
    return _prefixed({"model": asked.model, "steps": asked.num_inference_steps, **size})


def _prefixed(attributes: Attributes) -> Attributes:
    return {f"darkroom.{name}": value for name, value in attributes.items()}
