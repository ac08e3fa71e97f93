"""Couriers that may call the receivers of a test."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from anyio.from_thread import start_blocking_portal
from redis import Redis
from rq.job import Job

from app.contract import names
from app.contract.settings import Settings
from app.courier.sender import sending
from tests.worker.receiver import Receiver
from worker.courier import Courier
from worker.dials.deliveries import DeliveryDials
from worker.queue import QueueWorker

ROOT = Path(__file__).parents[2]
SOON_S = (0.05,) * 7

StartCourier = Callable[..., None]
StartProcess = Callable[[Receiver], "subprocess.Popen[bytes]"]


def egress(*receivers: Receiver) -> dict[str, str]:
    return {"egress_allow": "127.0.0.0/8", "egress_ports": ",".join(str(each.port) for each in receivers)}


@contextmanager
def couriers(redis_url: str) -> Iterator[StartCourier]:
    """Starts couriers in threads that may call the receivers, and stops them in the end."""
    with ExitStack() as stack:

        def start(
            *receivers: Receiver,
            delays_s: tuple[float, ...] = SOON_S,
            total_s: float = 5,
            dials: DeliveryDials | None = None,
            **more: str,
        ) -> None:
            settings = Settings.model_validate({"redis_url": redis_url, **egress(*receivers), **more})
            portal = stack.enter_context(start_blocking_portal())
            sender = stack.enter_context(portal.wrap_async_context_manager(sending(settings, total_s)))
            connection = stack.enter_context(Redis.from_url(redis_url, socket_timeout=5))
            options: dict[str, Any] = {"capacity": 64, "lease_s": 0.6, "grace_s": 0.0}
            deliver = Courier(portal, sender, delays_s, dials).deliver
            worker = QueueWorker([names.DELIVERIES], connection=connection, develop=deliver, **options)
            thread = threading.Thread(target=worker.work)
            thread.start()
            stack.callback(thread.join)
            stack.callback(worker.request_stop)

        yield start


@contextmanager
def courier_processes(redis_url: str) -> Iterator[StartProcess]:
    """Starts couriers in processes of their own, and kills them in the end."""
    with ExitStack() as stack:

        def start(receiver: Receiver) -> "subprocess.Popen[bytes]":
            settings = {"redis_url": redis_url, "lease_s": "0.6", **egress(receiver)}
            environment = {f"DARKROOM_{name.upper()}": value for name, value in settings.items()}
            command = [sys.executable, "-m", "worker.courier"]
            process = stack.enter_context(subprocess.Popen(command, env={**os.environ, **environment}, cwd=ROOT))
            stack.callback(process.kill)
            return process

        yield start


def only_delivery(redis: Redis) -> Job:
    [delivery_id] = cast(list[bytes], redis.zrange(names.DELIVERIES_PREFIX + "open", 0, -1))
    return Job.fetch(delivery_id.decode(), connection=redis, serializer="json")
