import time
from collections.abc import Iterator

from standardwebhooks import Webhook

from app.contract.job import JobStatus
from tests.deploy.load import loading
from tests.deploy.report import Line
from tests.deploy.service import WEBHOOK_PORT, Job, Service, standing
from tests.deploy.site import Site
from tests.worker.receiver import HANG, receiving

REQUESTS = 600
CLIENTS = 6
BATCH, STEPS = 8, 40
OUTAGE_S = 10.0
REDIS_PATIENCE_S = 30.0


def kills(site: Site) -> Iterator[Line]:
    """Each kind of container is killed, or cut off, at its work."""
    service = standing(site)
    yield from _an_api_is_killed(service)
    yield from _the_worker_is_killed(service)
    yield from _redis_is_cut_off(service)
    yield from _the_courier_is_killed(service)


def _an_api_is_killed(service: Service) -> Iterator[Line]:
    with loading(service.stack.url, CLIENTS) as load:
        service.until(lambda: len(load.answers) > REQUESTS / 3, "there is no load")
        service.stack.kill("api-1")
        service.until(lambda: len(load.answers) >= REQUESTS, "the load has stopped")
    service.stack.start("api-1")
    service.until_healthy("api-1")
    yield Line(f"an API is killed under {REQUESTS} requests: none fails", *load.answers.none_failed())
    yield Line("and no job is lost", *service.none_lost(load.jobs))


def _the_worker_is_killed(service: Service) -> Iterator[Line]:
    jobs = [service.submit(prompt="a red cat", num_inference_steps=STEPS) for _ in range(BATCH)]
    service.until(lambda: len(_developing(service)) == BATCH, "the jobs do not run together")
    in_hand = _developing(service)
    service.stack.kill("worker")
    began = time.monotonic()
    service.stack.start("worker")
    ended = [service.ended(job_id) for job_id in jobs]
    took_s = time.monotonic() - began
    succeeded = [job for job in ended if job["status"] == JobStatus.SUCCEEDED]
    steps = sum(job["progress"]["step"] for job in in_hand)
    yield Line(
        "the worker is killed in the middle of a batch: all its jobs succeed",
        f"{len(in_hand)} jobs in hand, {steps} steps done; {len(succeeded)} of {BATCH} succeeded {took_s:.0f} s later",
        len(succeeded) == BATCH and all(job["attempt"] > 1 for job in ended),
    )


def _developing(service: Service) -> list[Job]:
    jobs = service.http.get("/v1/jobs", params={"status": "running", "limit": BATCH}).json()["data"]
    return [job for job in jobs if 0 < job["progress"]["step"] < STEPS]


def _redis_is_cut_off(service: Service) -> Iterator[Line]:
    with loading(service.stack.url, CLIENTS) as load:
        load.patience_s = REDIS_PATIENCE_S
        service.until(lambda: len(load.jobs) > CLIENTS, "there is no load")
        service.stack.disconnect("redis")
        cut_at = time.monotonic()
        fell_s = service.until(lambda: service.workers is None, "it is still ready")
        time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - cut_at)))
        service.stack.connect("redis")
        rose_s = service.until_ready()
        promised = len(load.jobs)
        service.until(lambda: len(load.jobs) > promised + CLIENTS, "no job is taken")
    yield Line(
        f"Redis is cut off for {OUTAGE_S:.0f} s: readiness falls and comes back",
        f"falls after {fell_s:.1f} s, comes back {rose_s:.1f} s after Redis",
        fell_s < OUTAGE_S,
    )
    yield Line("who asks again as Retry-After says gets all his answers", *load.answers.none_failed())
    yield Line("and no job is lost", *service.none_lost(load.jobs))


def _the_courier_is_killed(service: Service) -> Iterator[Line]:
    with receiving(HANG, 200, host=service.gateway, port=WEBHOOK_PORT) as receiver:
        service.submit(prompt="a red cat", num_inference_steps=2, webhook={"url": receiver.url})
        service.until(lambda: bool(receiver.heard), "no webhook has come")
        service.stack.kill("courier")
        began = time.monotonic()
        service.stack.start("courier")
        service.until(lambda: len(receiver.heard) > 1, "the webhook does not come again")
        took_s = time.monotonic() - began
        first, second = receiver.heard
        delivery_id = second.headers["webhook-id"]
        service.until(lambda: _is_delivered(service, delivery_id), "the webhook is not delivered")
    secret = service.http.get("/v1/webhooks/default/secret").json()["secret"]
    yield Line(
        "the courier is killed in the middle of a delivery: it is made again, under the same id",
        f"{len(receiver.heard)} attempts, the second {took_s:.1f} s after the kill",
        first.headers["webhook-id"] == delivery_id and bool(Webhook(secret).verify(second.body, second.headers)),
    )


def _is_delivered(service: Service, delivery_id: str) -> bool:
    return bool(service.http.get(f"/v1/webhook_deliveries/{delivery_id}").json()["status"] == "delivered")
