from typing import Any

import pytest
from redis import Redis
from rq.job import Job
from rq.results import Result

from app.contract import names
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from tests.worker.queue.studio import StartWorker, Studio
from worker.queue import Claim

MINI = names.queue_name("mini")


@pytest.mark.parametrize("broken", ["rq:finished:{queue}", Result.get_key("{job}"), "rq:failed:{queue}"])
def test_a_job_whose_end_redis_refuses_fails_once_and_its_neighbours_go_on(
    front: Front,
    redis: Redis,
    start_worker: StartWorker,
    studio: Studio,
    caplog: pytest.LogCaptureFixture,
    broken: str,
) -> None:
    def develop(claim: Claim) -> dict[str, Any]:
        studio.develop(claim)
        if "failed" in broken:
            raise RuntimeError
        return {"images": []}

    job_id, waiting = front.admit(), front.admit()
    worker = start_worker(develop, capacity=1)
    eventually(lambda: studio.seen)
    key = broken.format(queue=MINI, job=job_id)

    redis.set(key, "not what rq keeps here")
    studio.door.set()

    # the refused script may have written the status before it came to what it could not write
    eventually(lambda: b'"internal"' in (redis.hget(Job.key_for(job_id), "meta") or b""))
    assert redis.hget(Job.key_for(job_id), "status") == b"failed"
    assert 0 < redis.ttl(Job.key_for(job_id)) <= 600
    assert f"The job {job_id} fails, since Redis refuses its end: WRONGTYPE" in caplog.text
    eventually(lambda: front.find(waiting).status.is_terminal and not worker.claims)
    assert [claim.job_id for claim in studio.seen] == [job_id, waiting]
    assert redis.keys("rq:wip*") == redis.keys("rq:execution*") == []
    assert caplog.text.count("refuses") <= 2
