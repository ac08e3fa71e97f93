"""The same jobs through rq's own worker and through ours leave the same keys and fields."""

import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

import pytest
from redis import Redis
from rq import SimpleWorker
from rq.job import Job

from app.contract import names
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartWorker
from worker.queue.functions import FUNCTIONS

MINI = names.queue_name("mini")
WORKER = "darkroom-twin"
OF_THE_RUN = {  # they differ from run to run: compared is whether they are there
    *("created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat", "birth", "death", "state"),
    *("execution_id", "execution_started_at", "execution_ended_at", "total_working_time", "exc_string"),
}
OURS_ALONE = {  # fields of a job's hash that rq's worker does not write, and why ours does
    "darkroom_attempt": "How often the job was started; rq does not count it, and the API tells it.",
    "meta": "The progress, and the code and message of a failure, which rq has only as a traceback.",
}
THEIRS_ALONE = {  # keys that rq's worker leaves, and why ours does not
    f"rq:queue:{MINI}:intermediate": "A job's id that was deleted while it waited: CLAIM takes it off at once.",
    f"{names.TURNS_PREFIX}{MINI}": "The order of our claims, which rq's worker does not know: CLAIM clears it away.",
    f"{names.LINE_PREFIX}{MINI}:2:{names.OPEN_TENANT}": "The same.",
}
ASIDE = (names.EVENTS_PREFIX.encode(), names.jobs_key("").encode())  # rq's worker tells nothing; scores are times
STARTED = {"succeeds", "fails", "fails again"}
COUNTED = {  # in our tally, of which rq's worker knows nothing: it has the one that CANCEL wrote
    f"ended succeeded {MINI}": b"1",
    f"ended failed {MINI}": b"2",
    f"requeued retry {MINI}": b"1",
    f"ended canceled {MINI}": b"1",
}


def make(behaviour: str) -> dict[str, Any]:
    if behaviour.startswith("fails"):
        raise RuntimeError
    return {"images": [], "warnings": [], "timings": {}}


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets rq's worker run what ours runs."""
    module = ModuleType("darkroom_twin")
    monkeypatch.setattr(module, "develop", lambda generation: make(generation["metadata"]["behaviour"]), raising=False)
    monkeypatch.setitem(sys.modules, "darkroom_twin", module)
    monkeypatch.setitem(FUNCTIONS, "darkroom_twin.develop", FUNCTIONS[names.JOB_FUNCTION])
    monkeypatch.setattr(names, "JOB_FUNCTION", "darkroom_twin.develop")
    monkeypatch.setattr(SimpleWorker, "_install_signal_handlers", lambda _: None)


def admit(front: Front, redis: Redis) -> None:
    for behaviour in ("succeeds", "fails", "fails again", "is canceled", "is canceled by rq", "is deleted"):
        front.admit(slug(behaviour), metadata={"behaviour": behaviour})
    redis.hset(Job.key_for(slug("fails again")), "retries_left", 1)
    front.cancel(slug("is canceled"))
    Job.fetch(slug("is canceled by rq"), connection=redis, serializer="json").cancel()
    redis.delete(Job.key_for(slug("is deleted")))


@pytest.mark.usefixtures("twin")
def test_jobs_leave_the_same_keys_as_with_rqs_own_worker(front: Front, redis: Redis, start_worker: StartWorker) -> None:
    admit(front, redis)
    SimpleWorker([MINI], WORKER, connection=redis, serializer="json").work(burst=True)
    theirs = snapshot(redis)

    redis.flushall()
    admit(front, redis)
    worker = start_worker(lambda claim: make(claim.generation.metadata["behaviour"]), name=WORKER)
    eventually(lambda: all(front.find(slug(behaviour)).status.is_terminal for behaviour in STARTED))
    worker.request_stop()
    eventually(lambda: redis.hexists(worker.key, "death") and not redis.exists(names.lease_key(worker.name)))
    ours = snapshot(redis)

    for behaviour in STARTED:
        fields = ours[Job.key_for(slug(behaviour))]
        assert {name for name in OURS_ALONE if fields.pop(name, None) is not None} >= {"darkroom_attempt"}
    for key in THEIRS_ALONE:
        assert theirs.pop(key)
        assert theirs.pop(f"{key} expires") == 0
    assert ours.pop(names.TALLY) == COUNTED
    assert theirs.pop(names.TALLY) == {f"ended canceled {MINI}": b"1"}
    assert ours == theirs


def slug(behaviour: str) -> str:
    return behaviour.replace(" ", "-")


def snapshot(redis: Redis) -> dict[str, Any]:
    """Every key with all that two runs of one job have in common; strings are the locks of rq's maintenance."""
    client = cast(Any, redis)
    read: dict[bytes, Callable[[bytes], Any]] = {
        b"hash": lambda key: stable(client.hgetall(key)),
        b"stream": lambda key: [stable(fields) for _, fields in client.xrange(key)],
        b"zset": lambda key: [(member, soon(score)) for member, score in client.zrange(key, 0, -1, withscores=True)],
        b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1),
    }
    kinds = {key: client.type(key) for key in client.scan_iter() if not key.startswith(ASIDE)}
    return {
        key.decode() + aspect: value
        for key, kind in kinds.items()
        if kind != b"string"
        for aspect, value in (("", read[kind](key)), (" expires", round(client.ttl(key), -2)))
    }


def soon(moment: float) -> float:
    return round(moment - time.time(), -2)


def stable(fields: dict[bytes, bytes]) -> dict[str, Any]:
    return {name.decode(): value if name.decode() not in OF_THE_RUN else bool(value) for name, value in fields.items()}
