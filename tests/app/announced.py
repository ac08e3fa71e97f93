from datetime import UTC, datetime
from typing import Any

from redis import Redis
from rq.worker_registration import REDIS_WORKER_KEYS

from app.contract import names
from app.contract.announcement import Announcement, ModuleCounts


def announce(redis: Redis, worker: str, **more: Any) -> None:
    """Writes what a living worker writes with every beat."""
    said = Announcement(
        worker=worker,
        started_at=datetime.now(UTC),
        device="cpu",
        dtype="float32",
        capacity=16,
        running=more.get("running", 3),
        models=["mini"],
        modules=[ModuleCounts(model="mini", module="unet", calls=320, forwards=40, rows=640)],
        never_stacked=more.get("never_stacked", []),
        paces=more.get("paces", []),
    )
    redis.sadd(REDIS_WORKER_KEYS, f"rq:worker:{worker}")
    redis.set(names.announcement_key(worker), said.model_dump_json())
