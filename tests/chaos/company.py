import asyncio
import sys
import time

import numpy as np
from PIL import Image

from app.contract.names import OPEN_TENANT
from tests.chaos.census import judge
from tests.chaos.form import Form
from tests.chaos.history import STEPS, History, picture_of, read_steps
from tests.chaos.scene import LOOK_AGAIN_S, Scene
from tests.chaos.verdict import Verdict

JOBS = 16
STEPS_EACH = 20
CANCELED = 5
LATE_STEPS_MAX = 1
APART_MAX = 1  # of 255


async def one_of_a_batch_is_canceled(scene: Scene, form: Form) -> Verdict:
    """With `mini`: it stops, and the others' pictures are those of the same jobs when nobody cancels."""
    (scene.folder / STEPS).touch()
    scene.workers.append(scene.run([sys.executable, "-m", "tests.chaos.mini_worker", "darkroom-mini"]))
    disturbed = await scene.admit(JOBS, steps=STEPS_EACH)
    moment = await _cancel_midway(scene, disturbed[CANCELED])
    await scene.watch(JOBS, form.patience_s)
    undisturbed = await scene.admit(JOBS, steps=STEPS_EACH)
    await scene.watch(2 * JOBS, form.patience_s)

    late = sum(step > moment for step in read_steps(scene.folder, disturbed[CANCELED]))
    history = History(scene.folder)
    others = [pair for n, pair in enumerate(zip(disturbed, undisturbed, strict=True)) if n != CANCELED]
    apart = max(_difference(scene, history, *pair) for pair in others)
    verdict = await judge(scene, "cancel in a batch", f"1 cancel: {late} more steps, the others {apart}/255 apart")
    verdict.require(late <= LATE_STEPS_MAX, f"the canceled job went on for {late} steps")
    verdict.require(apart <= APART_MAX, f"the others' pictures are {apart}/255 apart")
    return verdict


async def _cancel_midway(scene: Scene, victim: str) -> float:
    while len(read_steps(scene.folder, victim)) < STEPS_EACH // 3:
        await asyncio.sleep(LOOK_AGAIN_S / 5)
    async with scene.store() as store:
        await store.cancel(victim, tenant=OPEN_TENANT)
    return time.monotonic()


def _difference(scene: Scene, history: History, *job_ids: str) -> int:
    """The largest of a pixel."""
    keys = [f"{job_id}/{history.published[job_id][-1]}/0.png" for job_id in job_ids]
    one, other = (np.asarray(Image.open(picture_of(scene.folder, key)), dtype=np.int16) for key in keys)
    return int(np.abs(one - other).max())
