"""What must hold when all is over, in sentences if it does not."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from redis import Redis
from rq.job import Job

from app.contract import names
from app.contract.events import LAST, Event
from app.contract.tally import Tally
from tests.chaos.history import History, picture_of
from tests.chaos.scene import LOOK_AGAIN_S, RETENTION_S, Scene
from tests.chaos.verdict import Verdict

ENDED = {"finished": "succeeded", "failed": "failed", "canceled": "canceled"}  # as rq says it and as the tally does
MAY_REMAIN = re.compile(  # beside the ended jobs' records and results
    r"rq:(finished|failed|canceled):darkroom-mini"  # the registries
    r"|rq:queues"  # the names of all queues
    r"|rq:workers(:darkroom-mini)?|rq:worker:[\w-]+"  # what rq remembers of killed workers for some minutes
    r"|darkroom:jobs:open"  # which of them were admitted
    r"|darkroom:signing-secret|darkroom:tally"
    r"|darkroom:(lease|worker):[\w-]+"  # a killed worker's, for some seconds
)
MAY_STAY = re.compile(
    r"rq:queues|darkroom:signing-secret|darkroom:tally|rq:worker:[\w-]+"
)  # the last one's is of the worker that has tidied up
ASIDE = (b"rq:executions:", b"darkroom:turns:", b"darkroom:line:", b"darkroom:jobs:")  # no places, but orders of jobs
PATIENCE_S = 5.0
REGISTRIES = tuple(f"rq:{ended}:darkroom-mini" for ended in ENDED)


async def judge(scene: Scene, case: str, faults: str) -> Verdict:
    """Stops the workers and counts."""
    await scene.stop_workers()
    history = History(scene.folder)
    with Redis.from_url(scene.redis.url) as redis:
        verdict = Verdict(
            case,
            faults,
            len(scene.admitted),
            lost=[job_id for job_id in scene.admitted if _status(redis, job_id) not in ENDED],
            published_twice=[job_id for job_id, executions in history.published.items() if len(executions) > 1],
            recoveries_s=history.recoveries(scene.faults),
            complaints=list(_complaints(scene, redis, history)),
        )
        left = await _left_after_expiry(scene, redis)
        verdict.require(not left, f"{sorted(left)} would stay for ever")
    return verdict


def statuses(scene: Scene) -> dict[str, str]:
    with Redis.from_url(scene.redis.url) as redis:
        return {job_id: _status(redis, job_id) for job_id in scene.admitted}


def _complaints(scene: Scene, redis: Redis, history: History) -> Iterator[str]:
    yield from (f"{job_id} changed after its end" for job_id in history.revivals())
    held = places(redis)
    yield from (f"{job_id} is in {held[job_id]} registries" for job_id in scene.admitted if held[job_id] != 1)
    yield from (f"nobody admitted {job_id}" for job_id in held.keys() - set(scene.admitted))
    yield from _wrong_results(scene, redis, history)
    yield from _wrong_stories(scene, redis)
    yield from _wrong_tally(scene, redis)
    keys, kinds = _keys(redis), ("rq:job:", "rq:results:", names.EVENTS_PREFIX)
    records = {kind + job_id for kind in kinds for job_id in scene.admitted}
    yield from (f"{key} is left" for key in keys - records if not MAY_REMAIN.fullmatch(key))
    yield from (f"{key} never expires" for key in keys & records if redis.ttl(key) == -1)


def _wrong_results(scene: Scene, redis: Redis, history: History) -> Iterator[str]:
    for job_id in (each for each in scene.admitted if _status(redis, each) == "finished"):
        result: Any = Job.fetch(job_id, connection=redis, serializer="json").latest_result()
        key = result.return_value["images"][0]["key"] if result and result.return_value else "nothing"
        if key != f"{job_id}/{history.published[job_id][-1]}/0.png" or not picture_of(scene.folder, key).exists():
            yield f"{job_id} shows {key}, and that is not the picture of the run that ended it"


def _wrong_stories(scene: Scene, redis: Redis) -> Iterator[str]:
    for job_id in scene.admitted:
        entries = cast(Any, redis).xrange(names.events_key(job_id))
        told = [Event.of_entry(*entry).type for entry in entries]
        if [kind in LAST for kind in told] != [False] * (len(told) - 1) + [True]:
            yield f"{job_id} tells of itself: {', '.join(told)}"


def _wrong_tally(scene: Scene, redis: Redis) -> Iterator[str]:
    tally = Tally.of(cast(Any, redis).hgetall(names.TALLY))
    jobs = Counter(_status(redis, job_id) for job_id in scene.admitted)
    for status, result in ENDED.items():
        if (counted := tally.ended("mini", result)) != jobs[status]:
            yield f"{counted} jobs are counted as {result}, and there are {jobs[status]}"


async def _left_after_expiry(scene: Scene, redis: Redis) -> set[str]:
    """Lets all times run out, has a worker tidy up, and gives the keys that stay."""
    client = cast(Any, redis)
    for key in client.scan_iter(count=1_000):
        if client.ttl(key) != -1:
            client.delete(key)
        elif client.type(key) == b"zset":
            scores = client.zrange(key, 0, -1, withscores=True)
            client.zadd(key, {member: score - RETENTION_S - 1 for member, score in scores})
    scene.start_workers(1)
    until = time.monotonic() + PATIENCE_S
    while client.exists(*REGISTRIES) and time.monotonic() < until:
        await asyncio.sleep(LOOK_AGAIN_S)
    await scene.stop_workers()
    return {key for key in _keys(redis) if not MAY_STAY.fullmatch(key)}


def places(redis: Redis) -> Counter[str]:
    """In how many lists and sorted sets each job is, whatever these are called."""
    places: Counter[str] = Counter()
    client = cast(Any, redis)
    for key in set(client.scan_iter(count=1_000)):  # a scan may give a key twice
        if (kind := client.type(key)) in (b"list", b"zset") and not key.startswith(ASIDE):
            members = client.lrange(key, 0, -1) if kind == b"list" else client.zrange(key, 0, -1)
            places.update(member.decode().partition(":")[0] for member in members)
    return places


def _status(redis: Redis, job_id: str) -> str:
    return (cast(bytes | None, redis.hget(Job.key_for(job_id), "status")) or b"gone").decode()


def _keys(redis: Redis) -> set[str]:
    return {key.decode() for key in redis.scan_iter(count=1_000)}
