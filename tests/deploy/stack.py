import hashlib
import time
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO

from PIL import Image
from standardwebhooks import Webhook, WebhookVerificationError

from tests.deploy.builds import built
from tests.deploy.report import Line
from tests.deploy.service import WEBHOOK_PORT, Job, Service, standing
from tests.deploy.site import Site
from tests.worker.receiver import Heard, receiving


def stack(site: Site) -> Iterator[Line]:
    """All of it comes up, a prompt goes in, a picture and a signed webhook come out."""
    built(site)
    began = time.monotonic()
    service = standing(site)
    took_s = time.monotonic() - began
    yield Line("`docker-compose up` is all", f"a worker is warm after {took_s:.0f} s", service.workers == 1)
    with receiving(host=service.gateway, port=WEBHOOK_PORT) as receiver:
        began = time.monotonic()
        job = service.ended(service.submit(prompt="a red cat", webhook={"url": receiver.url}))
        content = service.http.get(job["images"][0]["url"]).content
        yield _is_the_picture(job, content, time.monotonic() - began)
        service.until(lambda: bool(receiver.heard), "no webhook has come")
        yield _is_told(service, job, receiver.heard[0])


def _is_the_picture(job: Job, content: bytes, took_s: float) -> Line:
    picture = Image.open(BytesIO(content))
    is_whole = hashlib.sha256(content).hexdigest() == job["images"][0]["sha256"]
    is_painted = len(set(picture.convert("RGB").tobytes())) > 1
    is_as_asked = (picture.format, *picture.size) == ("PNG", job["request"]["width"], job["request"]["height"])
    return Line(
        "a prompt that is posted through haproxy comes back as a picture",
        f"{picture.format} of {picture.width}x{picture.height}, {len(content):,} bytes, after {took_s:.1f} s",
        is_whole and is_painted and is_as_asked,
    )


def _is_told(service: Service, job: Job, heard: Heard) -> Line:
    webhook = Webhook(service.http.get("/v1/webhooks/default/secret").json()["secret"])
    event = webhook.verify(heard.body, heard.headers)
    lag_s = heard.at - datetime.fromisoformat(job["ended_at"]).timestamp()
    return Line(
        "its webhook is delivered; standardwebhooks verifies it, and no changed one",
        f"{event['type']} {lag_s:.2f} s after the end",
        event["data"]["id"] == job["id"] and not _verifies(webhook, heard.body + b" ", heard),
    )


def _verifies(webhook: Webhook, body: bytes, heard: Heard) -> bool:
    try:
        webhook.verify(body, heard.headers)
    except WebhookVerificationError:
        return False
    return True
