import signal
import time

from redis import Redis
from rq import Queue
from rq.results import Result

from app.contract import names
from app.contract.job import JobStatus
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartProcess

QUICK = {"step_s": "0.02"}
SLOW = {"step_s": "0.5"}
OWNERSHIP = ("rq:execution*", "rq:wip*", "rq:worker:*:executions", "darkroom:lease:*", "darkroom:worker:*")


def leftovers(redis: Redis) -> list[bytes | str]:
    return [key for pattern in OWNERSHIP for key in redis.keys(pattern)]


def test_a_killed_workers_jobs_end_once_on_another(front: Front, redis: Redis, start_process: StartProcess) -> None:
    job_ids = [front.admit(metadata=QUICK) for _ in range(12)]
    doomed = start_process(capacity=8)
    eventually(lambda: front.counts().running == 8)

    doomed.kill()
    heir = start_process(capacity=8)

    records = [front.wait_for(job_id, JobStatus.SUCCEEDED) for job_id in job_ids]
    assert {record.attempt for record in records} == {1, 2}
    assert all(redis.xlen(Result.get_key(job_id)) == 1 for job_id in job_ids)
    heir.terminate()
    assert heir.wait(10) == 0
    assert leftovers(redis) == []


def test_a_terminated_worker_finishes_what_it_can_and_gives_back_the_rest(
    front: Front, redis: Redis, start_process: StartProcess
) -> None:
    quick, slow, waiting = front.admit(metadata=QUICK), front.admit(metadata=SLOW), front.admit(metadata=SLOW)
    process = start_process(capacity=2, grace_s=1.0)
    eventually(lambda: front.find(slow).status is JobStatus.RUNNING)

    process.terminate()

    assert process.wait(10) == 0
    assert front.find(quick).status is JobStatus.SUCCEEDED
    assert Queue(names.queue_name("mini"), connection=redis).job_ids == [slow, waiting]
    assert front.find(slow).attempt == 0
    assert leftovers(redis) == []


def test_a_second_signal_gives_everything_back_at_once(front: Front, start_process: StartProcess) -> None:
    job_id = front.admit(metadata=SLOW)
    process = start_process(grace_s=60.0)
    eventually(lambda: front.find(job_id).status is JobStatus.RUNNING)

    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)  # the supervisor's copy of the same wish
    time.sleep(1.2)
    assert process.poll() is None
    process.terminate()

    assert process.wait(10) == 0
    assert front.find(job_id).status is JobStatus.QUEUED


def test_a_job_that_kills_its_workers_fails_alone_after_the_third(
    front: Front, redis: Redis, start_process: StartProcess
) -> None:
    poison = front.admit(metadata={"deadly": "yes"})
    neighbours = [front.admit(metadata=QUICK) for _ in range(5)]

    for _ in range(3):
        assert start_process(capacity=4).wait(20) == -signal.SIGKILL
    start_process(capacity=4)

    assert front.error_of(poison).code == "worker_lost"
    assert front.find(poison).attempt == 3
    assert redis.llen(f"ran:{poison}") == 3
    for neighbour in neighbours:
        assert front.wait_for(neighbour, JobStatus.SUCCEEDED).attempt <= 3
    eventually(lambda: not redis.keys("rq:wip*"))


def test_a_broken_worker_ends_at_once_and_the_job_that_breaks_every_worker_fails_alone(
    front: Front, start_process: StartProcess
) -> None:
    breaking = front.admit(metadata={"breaking": "yes"})
    neighbours = [front.admit(metadata=QUICK) for _ in range(5)]

    for _ in range(3):
        assert start_process(capacity=4).wait(20) == 1
    start_process(capacity=4)

    assert front.error_of(breaking).code == "worker_lost"
    for neighbour in neighbours:
        assert front.wait_for(neighbour, JobStatus.SUCCEEDED).attempt <= 3


def test_a_worker_that_breaks_while_it_drains_gives_its_job_back_and_ends_well(
    front: Front, redis: Redis, start_process: StartProcess
) -> None:
    breaking = front.admit(metadata={"breaking": "yes", **SLOW})
    process = start_process(grace_s=10.0)
    eventually(lambda: redis.exists(f"ran:{breaking}"))

    process.terminate()

    assert process.wait(10) == 0
    record = front.find(breaking)
    assert (record.status, record.attempt) == (JobStatus.QUEUED, 0)
    assert leftovers(redis) == []
