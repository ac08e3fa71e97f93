"""A worker whose every move is the test's, with pictures that are ready."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis

from app.contract import names
from app.contract.events import EventType
from app.contract.job import Development, StoredImage
from app.contract.storage import Storage
from tests.app.processes import wait_until
from tests.worker.queue.hand import Hand
from worker.queue import endings
from worker.queue.claim import Claim


class Painter:
    """Takes jobs of `mini` and ends them."""

    def __init__(self, redis: Redis, images: Path) -> None:
        self._redis: Any = redis
        self._storage = Storage(images.as_uri())
        self._hand = Hand(redis, "darkroom-painter", ["mini"])

    def take(self) -> Claim:
        claims: list[Claim] = []

        def has_taken() -> list[Claim]:
            claims.extend(self._hand.claim())
            return claims

        wait_until(has_taken)
        return claims[0]

    def paint(self, claim: Claim, *pictures: bytes, warnings: tuple[str, ...] = ()) -> None:
        stored = [self._stored(f"{claim.job_id}/{n}.png", picture, n) for n, picture in enumerate(pictures)]
        self._end(claim, endings.success, Development(images=stored, warnings=list(warnings)).model_dump(mode="json"))

    def fail(self, claim: Claim, error: Exception) -> None:
        self._end(claim, endings.failure, error)

    def preview(self, claim: Claim, step: int, picture: bytes) -> None:
        self._write(names.preview_key(claim.job_id, step), picture)
        stream, data = names.events_key(claim.job_id), json.dumps({"step": step, "total_steps": 20})
        entry = self._redis.xadd(stream, {"type": EventType.PREVIEW, "data": data})
        self._redis.publish(stream, f"{entry.decode()} {EventType.PREVIEW} {data}")

    def _end(self, claim: Claim, ending: Any, *told: Any) -> None:
        commands = self._hand.ledger.prepare(partial(ending, self._hand.worker, claim, *told))
        assert self._hand.ledger.commit(claim, commands)

    def _stored(self, key: str, picture: bytes, n: int) -> StoredImage:
        self._write(key, picture)
        digest = hashlib.sha256(picture).hexdigest()
        size = {"width": 128, "height": 128, "bytes": len(picture)}
        return StoredImage(key=key, content_type="image/png", sha256=digest, seed=7 + n, **size)

    def _write(self, key: str, picture: bytes) -> None:
        self._storage.put(key, picture, "image/png")  # all of it or nothing, though it is being read
