import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

import pytest
from anyio.from_thread import start_blocking_portal
from openai import OpenAI
from redis import Redis
from rq.job import Job
from standardwebhooks import Webhook as Verifier

from app.contract import names
from app.contract.outbox import DEAD_KEPT_S, QUEUE
from app.contract.settings import Settings
from app.courier.sender import sending
from app.courier.signing import new_secret
from tests.worker.couriers import ROOT, StartCourier, only_delivery
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand
from tests.worker.receiver import CLOSE, HANG, receiving
from worker.courier import Courier
from worker.queue import TryAgain

SCHEDULED = f"rq:scheduled:{QUEUE}"


def reasons(delivery: Job) -> list[str | None]:
    """Of the failed attempts, the first one first."""
    return [result.exc_string for result in reversed(delivery.results()) if result.type == result.Type.FAILED]


def add_endpoint(redis: Redis, url: str) -> str:
    fields = {"url": url, "events": '["job.succeeded"]', "created_at": "2026-01-01T00:00:00+00:00"}
    redis.sadd(names.ENDPOINTS_PREFIX + "open", "we_1")
    redis.hset(names.endpoint_key("open", "we_1"), mapping=cast(Any, {**fields, "secret": new_secret()}))
    return "we_1"


def test_an_end_is_told_at_once_signed_and_without_the_prompt(
    start_courier: StartCourier, end_job: Callable[..., str], redis: Redis, front: Front
) -> None:
    with receiving() as receiver:
        start_courier(receiver)

        record_id = end_job(receiver.url, prompt="a secret wish", negative_prompt="a secret fear")
        eventually(lambda: receiver.heard)

        [heard] = receiver.heard
        eventually(lambda: only_delivery(redis).get_status() == "finished")
    record = front.find(record_id)
    [secret] = cast(list[bytes], redis.hmget(names.endpoint_key("open", "default"), ["secret"]))
    event = Verifier(secret.decode()).verify(heard.body, heard.headers)
    opened = OpenAI(api_key="none", webhook_secret=secret.decode()).webhooks.unwrap(heard.body, heard.headers)
    assert record.ended_at
    assert heard.at - record.ended_at.timestamp() < 2  # promise R9
    assert (opened.type, event["object"], event["data"]["id"]) == ("job.succeeded", "event", record_id)
    assert (event["data"]["status"], event["data"]["request"]["seed"]) == ("succeeded", 7)
    assert datetime.fromisoformat(event["timestamp"]) == record.ended_at
    assert event["created_at"] == int(record.ended_at.timestamp())
    assert b"secret" not in heard.body
    assert heard.headers["webhook-id"] == only_delivery(redis).id


def test_whatever_a_receiver_does_it_is_told_until_it_says_yes_with_one_id_and_one_body(
    start_courier: StartCourier, end_job: Callable[..., str], redis: Redis
) -> None:
    with receiving() as other, receiving(500, HANG, CLOSE, (302, {"Location": other.url}), 204) as receiver:
        start_courier(receiver, other, total_s=0.3)

        end_job(receiver.url)
        eventually(lambda: only_delivery(redis).get_status() == "finished")

        assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 1
        assert len({heard.body for heard in receiver.heard}) == 1
        assert len(receiver.heard) == 5
        assert other.heard == []
    assert reasons(only_delivery(redis)) == [
        "The receiver answered 500.",
        "The receiver did not answer in time.",
        "The receiver did not answer as HTTP wants it.",
        "The receiver answered 302.",
    ]


def test_what_was_tried_often_enough_is_a_dead_letter_for_a_week(
    start_courier: StartCourier, end_job: Callable[..., str], redis: Redis
) -> None:
    with receiving(503) as receiver:
        start_courier(receiver, delays_s=(0.05,))

        end_job(receiver.url)
        eventually(lambda: only_delivery(redis).get_status() == "failed")

        assert len(receiver.heard) == 2
    delivery = only_delivery(redis)
    assert reasons(delivery) == ["The receiver answered 503."] * 2
    assert delivery.failed_job_registry.get_job_ids() == [delivery.id]
    assert DEAD_KEPT_S - 60 < redis.ttl(delivery.key) <= DEAD_KEPT_S


def test_an_endpoint_that_is_gone_is_not_asked_again_for_this_end_or_the_next(
    start_courier: StartCourier, end_job: Callable[..., str], redis: Redis
) -> None:
    with receiving(410) as receiver, receiving() as other:
        endpoint = add_endpoint(redis, receiver.url)
        start_courier(receiver, other)
        end_job(other.url)
        eventually(lambda: redis.hexists(names.endpoint_key("open", endpoint), "disabled_at"))

        end_job(other.url)
        eventually(lambda: len(other.heard) == 2)

        assert len(receiver.heard) == 1
    assert redis.zcard(f"rq:failed:{QUEUE}") == 1


def test_a_receiver_that_asks_for_patience_gets_it(
    start_courier: StartCourier, end_job: Callable[..., str], redis: Redis
) -> None:
    with receiving((429, {"Retry-After": "600"})) as receiver:
        start_courier(receiver)

        end_job(receiver.url)
        eventually(lambda: redis.zcard(SCHEDULED))

    [(_, at)] = cast(Any, redis.zrange(SCHEDULED, 0, -1, withscores=True))
    assert 590 < at - time.time() <= 600


def test_a_private_address_is_never_called_even_if_the_record_names_one(
    start_courier: StartCourier, end_job: Callable[..., str], redis: Redis
) -> None:
    with receiving() as receiver:
        start_courier(receiver, egress_allow="192.0.2.0/24")

        for host in ("127.0.0.1", "2130706433", "0x7f000001", "127.1", "localhost", "[::ffff:127.0.0.1]"):
            end_job(f"http://{host}:{receiver.port}/")
        eventually(lambda: redis.zcard(SCHEDULED) == 6 or redis.zcard(f"rq:failed:{QUEUE}") == 6)

        assert receiver.heard == []


def test_a_receiver_that_never_answers_delays_nobody_else(
    start_courier: StartCourier, end_job: Callable[..., str]
) -> None:
    with receiving(HANG) as dead, receiving() as alive:
        start_courier(dead, alive, total_s=15)
        for _ in range(100):
            end_job(dead.url)

        end_job(alive.url)
        eventually(lambda: alive.heard)

        assert len(dead.heard) <= 8
        assert alive.heard[0].at - dead.heard[0].at < 10  # none of the dead receiver's had come to its end


def test_of_an_erased_job_only_its_end_is_told(
    start_courier: StartCourier, end_job: Callable[..., str], redis: Redis
) -> None:
    with receiving() as receiver:
        record_id = end_job(receiver.url)
        redis.delete(Job.key_for(record_id))

        start_courier(receiver)
        eventually(lambda: receiver.heard)

        assert json.loads(receiver.heard[0].body)["data"] == {"id": record_id, "status": "succeeded"}


def test_a_fault_of_ours_costs_a_receiver_none_of_its_other_attempts(
    start_courier: StartCourier, end_job: Callable[..., str], redis: Redis
) -> None:
    with receiving() as receiver, receiving() as other:
        key = names.endpoint_key("open", add_endpoint(redis, receiver.url))
        redis.hset(key, "events", '["job.succeeded"')  # no JSON
        start_courier(receiver, other)
        end_job(other.url)
        eventually(lambda: redis.zcard(SCHEDULED))

        redis.hset(key, "events", '["job.succeeded"]')
        eventually(lambda: receiver.heard)


def test_while_redis_is_away_no_attempt_is_counted(end_job: Callable[..., str], redis: Redis) -> None:
    end_job("https://receiver.example/")
    [claim] = Hand(redis, "darkroom-courier", [names.DELIVERIES]).claim()
    nowhere = Settings(redis_url="unix:///nowhere/redis.sock")

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(sending(nowhere)) as sender,
        pytest.raises(TryAgain) as wish,
    ):
        Courier(portal, sender).deliver(claim)

    assert not wish.value.counts


def test_the_courier_needs_neither_torch_nor_the_web_framework_nor_what_traces() -> None:
    heavy = "{'torch', 'PIL', 'diffusers', 'fastapi', 'uvicorn', 'app.contract.otlp'} & set(sys.modules)"
    program = f"import sys, worker.courier; print({heavy} or 'none')"

    seen = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert seen.stdout.strip() == "none"
