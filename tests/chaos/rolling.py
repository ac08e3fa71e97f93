import asyncio
from contextlib import suppress

from redis import Redis

from app.contract import names
from tests.chaos.apis import Api, Balancer, RequestFailed, serving
from tests.chaos.census import judge
from tests.chaos.form import Form
from tests.chaos.scene import LOOK_AGAIN_S, Scene
from tests.chaos.verdict import Verdict

WORKERS = APIS = 2
CAPACITY = 8
STEPS, STEP_S = 5, 0.1
LOAD = 0.8
PER_SECOND = LOAD * WORKERS * CAPACITY / (STEPS * STEP_S)
BODY = {"prompt": "a cat", "num_inference_steps": STEPS, "metadata": {"step_s": str(STEP_S)}}


async def everything_is_restarted_under_load(scene: Scene, form: Form) -> Verdict:
    """Each process in its turn, the next when the new one is there; clients and jobs notice nothing."""
    scene.start_workers(WORKERS, CAPACITY)
    async with serving(scene, APIS) as (apis, balancer):
        is_over = asyncio.Event()
        load = asyncio.create_task(_load(scene, balancer, is_over))
        for _ in range(form.rollings):
            await _restart_all(scene, apis)
        is_over.set()
        async with asyncio.timeout(form.patience_s):
            await load  # not cancelled: what a client has sent is admitted, whether or not it hears of it
        await scene.watch(len(scene.admitted), form.patience_s)
    burnt = _burnt(scene)
    faults = f"{form.rollings} x {WORKERS} workers and {APIS} APIs restarted under {balancer.requests} requests"
    verdict = await judge(scene, "rolling restart", faults)
    verdict.require(not balancer.failures, f"{len(balancer.failures)} requests failed: {balancer.failures[:3]}")
    verdict.require(not burnt, f"the restarts cost {len(burnt)} jobs an attempt")
    return verdict


async def _load(scene: Scene, balancer: Balancer, is_over: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as clients:
        while not is_over.is_set():
            clients.create_task(_client(scene, balancer))
            await asyncio.sleep(scene.chance.expovariate(PER_SECOND))


async def _client(scene: Scene, balancer: Balancer) -> None:
    """Submits a job and asks for it until it has ended."""
    with suppress(RequestFailed):  # the balancer remembers it
        job = await balancer.ask("POST", "/v1/jobs", json=BODY)
        scene.admitted.append(job["id"])
        while job["status"] in ("queued", "running"):
            await asyncio.sleep(STEPS * STEP_S / 2)
            job = await balancer.ask("GET", f"/v1/jobs/{job['id']}")


async def _restart_all(scene: Scene, apis: list[Api]) -> None:
    for api in apis:
        await api.restart()
    for worker in list(scene.workers):
        scene.workers.remove(worker)
        worker.terminate()
        await asyncio.to_thread(worker.wait)
        scene.start_worker(CAPACITY)
        await _until_it_works(scene)


async def _until_it_works(scene: Scene) -> None:
    with Redis.from_url(scene.redis.url) as redis:
        while not redis.exists(names.lease_key(scene.newest_name)):
            await asyncio.sleep(LOOK_AGAIN_S)


def _burnt(scene: Scene) -> list[str]:
    with Redis.from_url(scene.redis.url) as redis:
        counts = {
            job_id: redis.hmget(f"rq:job:{job_id}", "darkroom_attempt", "darkroom_deaths") for job_id in scene.admitted
        }
    return [job_id for job_id, count in counts.items() if count != [b"1", None]]
