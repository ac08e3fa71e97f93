"""Answers of Redis get lost after it has done what it was asked."""

import asyncio

from tests.chaos.census import judge
from tests.chaos.form import Form
from tests.chaos.proxy import SCRIPTS, LossyProxy
from tests.chaos.scene import Scene
from tests.chaos.verdict import Verdict

SHARE = 0.2


async def replies_are_lost(scene: Scene, form: Form) -> Verdict:
    proxy = LossyProxy(scene.redis.url.removeprefix("unix://"), scene.chance, SHARE)
    async with proxy.serving() as address:
        scene.address = address
        scene.start_workers(2, capacity=4)
        jobs = form.jobs // 4
        await asyncio.gather(scene.admit(jobs, step_s=0.02), scene.watch(jobs, form.patience_s))
        await scene.stop_workers()
    scene.address = scene.redis.url
    lost = ", ".join(f"{proxy.lost[script]} of {script.upper()}" for script in SCRIPTS)
    verdict = await judge(scene, "replies are lost", f"replies: {lost}")
    verdict.require(all(proxy.lost[script] > 0 for script in SCRIPTS), "no reply of some script was lost")
    return verdict
