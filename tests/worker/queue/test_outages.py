import time

import pytest
from redis import Redis

from app.contract import names
from app.contract.job import JobStatus
from tests.redis_server import RedisServer
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartWorker, Studio


@pytest.fixture
def redis_url(own_redis: RedisServer) -> str:
    return str(own_redis.url)


def test_a_worker_outlives_its_redis(
    front: Front, own_redis: RedisServer, start_worker: StartWorker, studio: Studio
) -> None:
    running, waiting = front.admit(), front.admit()
    worker = start_worker(studio.develop, capacity=1)
    eventually(lambda: studio.seen)

    own_redis.kill()
    studio.door.set()  # it ends while there is nobody to tell
    time.sleep(1.0)  # longer than the lease
    own_redis.start()

    assert front.wait_for(running, JobStatus.SUCCEEDED).attempt == 1
    assert front.wait_for(waiting, JobStatus.SUCCEEDED).attempt == 1
    assert len(studio.seen) == 2
    assert worker.claims == {}


def test_workers_do_not_take_each_others_jobs_after_an_outage(
    front: Front, own_redis: RedisServer, start_worker: StartWorker, studio: Studio
) -> None:
    job_ids = [front.admit() for _ in range(4)]
    for _ in range(2):
        start_worker(studio.develop, capacity=2)
    eventually(lambda: len(studio.seen) == 4)

    own_redis.kill()
    start_worker(studio.develop)  # the first to come back, as it may be
    time.sleep(1.0)  # longer than the lease
    own_redis.start()
    time.sleep(1.5)  # time enough to reap
    studio.door.set()

    assert [front.wait_for(job_id, JobStatus.SUCCEEDED).attempt for job_id in job_ids] == [1] * 4


def test_a_worker_that_stops_without_its_redis_stops_its_jobs(
    front: Front, own_redis: RedisServer, start_worker: StartWorker, studio: Studio
) -> None:
    job_id = front.admit()
    worker = start_worker(studio.develop)
    eventually(lambda: studio.seen)

    own_redis.kill()
    worker.request_stop()

    eventually(lambda: studio.stopped == [job_id])
    own_redis.start()
    studio.door.set()
    start_worker(studio.develop)
    front.wait_for(job_id, JobStatus.SUCCEEDED)


def test_a_worker_waits_for_a_redis_that_comes_late(
    front: Front, own_redis: RedisServer, start_worker: StartWorker
) -> None:
    job_id = front.admit()
    own_redis.kill()

    start_worker(lambda _: {"images": []})
    time.sleep(0.2)
    own_redis.start()

    front.wait_for(job_id, JobStatus.SUCCEEDED)


def test_a_worker_that_redis_forgot_comes_to_be_known_again(
    front: Front, redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    worker = start_worker(studio.develop)
    eventually(lambda: redis.exists(worker.key))

    redis.flushall()

    eventually(lambda: redis.hget(worker.key, "birth"))
    assert redis.smembers("rq:workers") == {worker.key.encode()}
    studio.door.set()
    front.wait_for(front.admit(), JobStatus.SUCCEEDED)


def test_a_worker_listens_again_when_its_redis_was_too_slow_to_connect(
    redis: Redis, start_worker: StartWorker, studio: Studio
) -> None:
    start_worker(studio.develop, socket_timeout=0.2)
    eventually(lambda: redis.pubsub_numsub(names.WAKE_CHANNEL)[0][1] == 1)

    with redis.pipeline() as pipeline:
        pipeline.execute_command("CLIENT", "PAUSE", 1_000)
        pipeline.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        assert pipeline.execute() == [b"OK", 1]
    time.sleep(0.5)

    eventually(lambda: redis.pubsub_numsub(names.WAKE_CHANNEL)[0][1] == 1)
