import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
from redis import Redis

from app.contract.generation import Webhook
from app.contract.job import JobStatus
from tests.redis_server import RedisServer
from tests.worker.couriers import ROOT, StartProcess, couriers, egress, only_delivery
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.receiver import HANG, receiving

PROGRAM = ROOT / "tests" / "worker" / "queue" / "worker_process.py"


def test_a_courier_killed_in_the_middle_of_a_request_loses_nothing(
    start_process: StartProcess, end_job: Callable[..., str], redis: Redis
) -> None:
    with receiving(HANG, 200) as receiver:
        first = start_process(receiver)
        end_job(receiver.url)
        eventually(lambda: receiver.heard)

        first.kill()
        second = start_process(receiver)
        eventually(lambda: only_delivery(redis).get_status() == "finished")

        assert [heard.headers["webhook-id"] for heard in receiver.heard] == [only_delivery(redis).id] * 2
        assert receiver.heard[0].body == receiver.heard[1].body
        second.terminate()
        assert second.wait(15) == 0
    assert redis.keys("rq:wip*") == redis.keys("rq:execution*") == []


def test_under_its_supervisor_a_killed_courier_is_replaced_at_once(
    end_job: Callable[..., str], redis: Redis, redis_url: str
) -> None:
    with receiving(HANG, 200) as receiver:
        settings = {"redis_url": redis_url, "lease_s": "60", **egress(receiver)}  # without one it would take a minute
        environment = {**os.environ, **{f"DARKROOM_{name.upper()}": value for name, value in settings.items()}}
        command = [sys.executable, "-m", "app.cli", "courier"]
        with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL) as supervisor:
            end_job(receiver.url)
            eventually(lambda: receiver.heard)

            [courier] = psutil.Process(supervisor.pid).children()
            courier.kill()
            eventually(lambda: only_delivery(redis).get_status() == "finished")

            supervisor.terminate()
            assert supervisor.wait(15) == 0
        assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 1


def test_when_all_is_killed_right_after_a_job_has_ended_its_end_is_told_once(own_redis: RedisServer) -> None:
    front = Front(own_redis.url)
    command = [sys.executable, str(PROGRAM), own_redis.url, json.dumps({"lease_s": 0.6})]
    with receiving() as receiver, subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as worker:
        record_id = front.admit(webhook=Webhook(url=receiver.url), num_inference_steps=1)
        front.wait_for(record_id, JobStatus.SUCCEEDED)

        worker.kill()
        own_redis.kill()
        own_redis.start()
        with couriers(own_redis.url) as start_courier:
            start_courier(receiver)
            eventually(lambda: receiver.heard)

        assert [json.loads(heard.body)["data"]["id"] for heard in receiver.heard] == [record_id]


def test_a_stopping_courier_gives_back_what_it_could_not_deliver(
    start_process: StartProcess, end_job: Callable[..., str], redis: Redis
) -> None:
    with receiving(HANG) as receiver:
        courier = start_process(receiver)
        end_job(receiver.url)
        eventually(lambda: receiver.heard)

        courier.terminate()
        time.sleep(1.3)  # a second signal within less is taken for the same wish
        courier.terminate()

        assert courier.wait(15) == 0
    delivery = only_delivery(redis)
    assert delivery.get_status() == "queued"
    assert redis.hget(delivery.key, "darkroom_attempt") == b"0"
