"""Workers and Redis are killed, workers are paused; everything goes on by itself."""

import asyncio

from tests.chaos.census import judge
from tests.chaos.form import Form
from tests.chaos.scene import Scene
from tests.chaos.verdict import Verdict

WORKERS = 3
STEP_S = 0.1  # of ten steps


async def workers_are_killed(scene: Scene, form: Form) -> Verdict:
    await asyncio.gather(_jobs(scene, form), _kill_workers(scene, form))
    return await judge(scene, "workers are killed", f"{form.kills} kill -9 of a worker")


async def redis_is_killed(scene: Scene, form: Form) -> Verdict:
    await asyncio.gather(_jobs(scene, form), _kill_redis(scene, form))
    return await judge(scene, "Redis is killed", f"{form.outages} kill -9 of Redis")


async def workers_and_redis_are_killed(scene: Scene, form: Form) -> Verdict:
    await asyncio.gather(_jobs(scene, form), _kill_workers(scene, form), _kill_redis(scene, form, with_worker=True))
    faults = f"{form.kills + form.outages} kill -9 of a worker, {form.outages} of Redis"
    return await judge(scene, "both are killed", faults)


async def workers_are_paused(scene: Scene, form: Form) -> Verdict:
    await asyncio.gather(_jobs(scene, form), _pause_workers(scene, form))
    return await judge(scene, "workers are paused", f"{form.pauses} SIGSTOP for 1.5 leases")


async def _jobs(scene: Scene, form: Form) -> None:
    scene.start_workers(WORKERS)
    submitting, watching = scene.admit(form.jobs, step_s=STEP_S), scene.watch(form.jobs, form.patience_s)
    await asyncio.gather(submitting, watching, _cancel_some(scene, form))


async def _cancel_some(scene: Scene, form: Form) -> None:
    async for _ in scene.at_random(form.jobs // 30, form.jobs):
        await scene.cancel(scene.chance.choice(scene.admitted))


async def _kill_workers(scene: Scene, form: Form) -> None:
    async for _ in scene.at_random(form.kills, form.jobs):
        scene.kill_worker()


async def _kill_redis(scene: Scene, form: Form, *, with_worker: bool = False) -> None:
    async for _ in scene.at_random(form.outages, form.jobs):
        scene.redis.kill()
        await asyncio.sleep(scene.chance.uniform(0.2, 1.5) * form.lease_s / 2)
        if with_worker:
            scene.kill_worker()
        await asyncio.sleep(scene.chance.uniform(0.2, 1.5) * form.lease_s / 2)
        scene.redis.start()


async def _pause_workers(scene: Scene, form: Form) -> None:
    async for _ in scene.at_random(form.pauses, form.jobs):
        await scene.pause_worker()
