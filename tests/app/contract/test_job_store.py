import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from rq import Queue
from rq.job import Job
from rq.job import JobStatus as RqStatus
from rq.registry import CanceledJobRegistry
from rq.results import Result

from app.contract import names
from app.contract.errors import InvalidField, JobConflict, JobNotFound, QueueFull, ShareFull
from app.contract.job import Development, JobRecord, JobStatus, StoredImage
from app.contract.job_store import JobStore
from tests.app.contract.asked import generation

pytestmark = pytest.mark.anyio

MINI = names.queue_name("mini")
OPEN = names.OPEN_TENANT


def fetch(redis: Redis, job_id: str) -> Job:
    return Job.fetch(job_id, connection=redis, serializer="json")


async def test_an_admitted_job_is_found_as_it_was_admitted(store: JobStore) -> None:
    admitted = await store.admit(generation(), tenant=OPEN)

    found = await store.find(admitted.id, tenant=OPEN)

    assert found == admitted
    assert found.status is JobStatus.QUEUED
    assert found.generation == generation()
    assert (found.progress.step, found.progress.total_steps) == (0, 20)
    assert found.attempt == 0
    assert (datetime.now(UTC) - found.created_at).total_seconds() < 60


async def test_rq_reads_an_admitted_job_as_one_of_its_own(store: JobStore, redis: Redis) -> None:
    admitted = await store.admit(generation(), tenant=OPEN)

    job = fetch(redis, admitted.id)

    assert Queue.all(redis) == [Queue(MINI, connection=redis)]
    assert Queue(MINI, connection=redis).job_ids == [job.id]
    assert (job.func_name, job.origin, job.get_status()) == (names.JOB_FUNCTION, MINI, RqStatus.QUEUED)
    assert (job.timeout, job.result_ttl, job.failure_ttl) == (60, 600, 600)
    assert job.description == "generate"


async def test_the_same_id_and_generation_are_admitted_once(store: JobStore, redis: Redis) -> None:
    records = await asyncio.gather(*(store.admit(generation(), "mine", tenant=OPEN) for _ in range(10)))

    assert {record.id for record in records} == {"mine"}
    assert Queue(MINI, connection=redis).job_ids == ["mine"]


async def test_the_same_id_for_another_generation_is_a_conflict(store: JobStore) -> None:
    await store.admit(generation(), "mine", tenant=OPEN)

    with pytest.raises(JobConflict, match="mine"):
        await store.admit(generation(seed=8), "mine", tenant=OPEN)


@pytest.mark.parametrize("job_id", ["a:b", "", "ü", "x/y", "a\n"])
async def test_an_id_that_rq_cannot_carry_is_refused(store: JobStore, job_id: str) -> None:
    if job_id:
        with pytest.raises(InvalidField):
            await store.admit(generation(), job_id, tenant=OPEN)
    with pytest.raises(JobNotFound):
        await store.find(job_id, tenant=OPEN)
    with pytest.raises(JobNotFound):
        await store.cancel(job_id, tenant=OPEN)


async def test_a_queue_never_holds_more_jobs_than_it_may(store: JobStore, redis: Redis) -> None:
    answers = await asyncio.gather(*(store.admit(generation(), tenant=OPEN) for _ in range(60)), return_exceptions=True)

    assert sum(isinstance(answer, QueueFull) for answer in answers) == 40
    assert Queue(MINI, connection=redis).count == 20


async def test_no_tenant_fills_the_queue_alone(redis_url: str, redis: Redis) -> None:
    async with AsyncRedis.from_url(redis_url) as client:
        store = JobStore(client, max_queued=20, max_queued_per_tenant=5, retention_s=600, job_timeout_s=60)
        asked = [store.admit(generation(priority=each), tenant="a") for each in ("high", "normal", "low") * 4]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        keys = set(redis.keys("*"))

        with pytest.raises(ShareFull, match="5 of your jobs"):
            await store.admit(generation(), "mine", tenant="a")
        await store.admit(generation(), tenant="b")
        await store.admit(generation(model="large"), tenant="a")

        assert sum(isinstance(answer, ShareFull) for answer in answers) == 7
        assert [key for key in keys if b"mine" in key] == []
        canceled = next(answer for answer in answers if isinstance(answer, JobRecord))
        await store.cancel(canceled.id, tenant="a")
        assert (await store.admit(generation(), "mine", tenant="a")).id == "mine"


async def test_each_tenant_has_job_ids_of_its_own(store: JobStore) -> None:
    tenants = [OPEN, "a", "b"]
    admitted = [await store.admit(generation(seed=n), "mine", tenant=tenant) for n, tenant in enumerate(tenants)]
    await store.cancel("mine", tenant="a")

    found = [await store.find("mine", tenant=tenant) for tenant in tenants]

    assert [record.id for record in found] == ["mine"] * 3
    assert [record.record_id for record in found] == ["mine", "a_mine", "b_mine"]
    assert [record.generation.seed for record in found] == [0, 1, 2]
    assert [record.created_at for record in found] == [record.created_at for record in admitted]
    assert [record.status for record in found] == [JobStatus.QUEUED, JobStatus.CANCELED, JobStatus.QUEUED]


async def test_an_open_id_that_looks_like_anothers_record_finds_and_takes_nothing(store: JobStore) -> None:
    theirs = await store.admit(generation(), "mine", tenant="a")

    with pytest.raises(JobNotFound):
        await store.find(theirs.record_id, tenant=OPEN)
    with pytest.raises(JobNotFound):
        await store.cancel(theirs.record_id, tenant=OPEN)
    with pytest.raises(JobConflict):
        await store.admit(generation(), theirs.record_id, tenant=OPEN)
    assert await store.find("mine", tenant="a") == theirs


async def test_an_admitted_job_wakes_the_workers(store: JobStore, redis: Redis) -> None:
    with redis.pubsub() as subscription:
        subscription.subscribe(names.WAKE_CHANNEL)
        subscription.get_message(timeout=1)

        await store.admit(generation(), tenant=OPEN)

        assert subscription.get_message(timeout=1)["data"] == Queue(MINI, connection=redis).key.encode()


async def test_a_job_that_is_not_there_is_not_found(store: JobStore) -> None:
    with pytest.raises(JobNotFound, match="nothing"):
        await store.find("nothing", tenant=OPEN)
    with pytest.raises(JobNotFound, match="nothing"):
        await store.cancel("nothing", tenant=OPEN)


@pytest.mark.parametrize("serializer", ["json", "pickle"])
async def test_another_applications_job_is_not_found_and_not_canceled(
    store: JobStore, redis: Redis, serializer: str
) -> None:
    other = Queue("other", connection=redis, serializer=serializer).enqueue("os.getpid")

    with pytest.raises(JobNotFound):
        await store.find(other.id, tenant=OPEN)
    with pytest.raises(JobNotFound):
        await store.cancel(other.id, tenant=OPEN)
    assert other.get_status() is RqStatus.QUEUED


@pytest.mark.parametrize("fields", [{"status": "queued"}, {"status": "odd", "data": "?"}, {"data": "?"}, {"a": "b"}])
async def test_a_key_that_holds_something_else_is_no_job(store: JobStore, redis: Redis, fields: Any) -> None:
    redis.hset(Job.key_for("mine"), mapping=fields)

    with pytest.raises(JobNotFound):
        await store.find("mine", tenant=OPEN)
    with pytest.raises(JobNotFound):
        await store.erase("mine", tenant=OPEN)


async def test_a_canceled_job_leaves_the_queue_and_stays_canceled(store: JobStore, redis: Redis) -> None:
    admitted = await store.admit(generation(), tenant=OPEN)

    canceled = await store.cancel(admitted.id, tenant=OPEN)

    assert canceled.status is JobStatus.CANCELED
    assert canceled.ended_at is not None
    assert await store.cancel(admitted.id, tenant=OPEN) == canceled
    assert Queue(MINI, connection=redis).job_ids == []
    assert CanceledJobRegistry(MINI, connection=redis).get_job_ids() == [admitted.id]
    assert 0 < redis.ttl(Job.key_for(admitted.id)) <= 600


@pytest.mark.parametrize("status", [RqStatus.FINISHED, RqStatus.FAILED, RqStatus.STOPPED])
async def test_a_job_that_has_ended_cannot_be_canceled(store: JobStore, redis: Redis, status: RqStatus) -> None:
    admitted = await store.admit(generation(), tenant=OPEN)
    job = fetch(redis, admitted.id)
    job.set_status(status)
    Result.create(job, Result.Type.SUCCESSFUL, 60, return_value={"images": []})

    assert (await store.cancel(admitted.id, tenant=OPEN)).status is not JobStatus.CANCELED
    assert job.get_status() is status


async def test_a_finished_job_carries_its_newest_development(store: JobStore, redis: Redis) -> None:
    admitted = await store.admit(generation(), tenant=OPEN)
    image = StoredImage(key="k", content_type="image/png", width=8, height=8, bytes=1, sha256="0", seed=7)
    developments = [Development(images=[]), Development(images=[image], timings={"engine": 0.5})]
    job = fetch(redis, admitted.id)
    for development in developments:
        Result.create(job, Result.Type.SUCCESSFUL, 60, return_value=development.model_dump(mode="json"))
    job.set_status(RqStatus.FINISHED)

    found = await store.find(admitted.id, tenant=OPEN)

    assert found.status is JobStatus.SUCCEEDED
    assert found.development == developments[1]


async def test_a_failure_that_rq_wrote_has_a_reason_and_no_traceback(store: JobStore, redis: Redis) -> None:
    admitted = await store.admit(generation(), tenant=OPEN)
    job = fetch(redis, admitted.id)
    with redis.pipeline() as pipeline:
        job.set_status(RqStatus.FAILED, pipeline=pipeline)
        job._handle_failure("Traceback: a secret", pipeline)
        pipeline.execute()

    found = await store.find(admitted.id, tenant=OPEN)

    assert found.error is not None
    assert found.error.code == "generation_failed"
    assert "secret" not in found.model_dump_json()


async def test_a_failure_gives_the_reason_that_its_worker_wrote(store: JobStore, redis: Redis) -> None:
    admitted = await store.admit(generation(), tenant=OPEN)
    job = fetch(redis, admitted.id)
    job.meta["error"] = {"code": "out_of_memory", "message": "Too large."}
    job.save_meta()
    job.set_status(RqStatus.FAILED)

    error = (await store.find(admitted.id, tenant=OPEN)).error

    assert error is not None
    assert (error.code, error.message) == ("out_of_memory", "Too large.")
