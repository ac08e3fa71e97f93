"""How soon the jobs of a killed worker are in another one's hands."""

import asyncio
import json
import math
import os
import signal
import sys

from app.contract.settings import Settings
from tests.chaos.census import judge
from tests.chaos.form import Form
from tests.chaos.history import read_starts
from tests.chaos.scene import LOOK_AGAIN_S, Scene
from tests.chaos.verdict import Verdict, percentile

JOBS = 16
STEP_S = 0.25
LONGEST_ALONE_S = 6.0
LONGEST_SUPERVISED_S = 1.0


async def without_a_supervisor(scene: Scene, form: Form) -> Verdict:
    """Only the lease tells that a worker is dead."""
    scene.start_workers(2)
    for _ in range(form.rounds):
        victim = await _give_work(scene)
        scene.kill_worker(next(worker for worker in scene.workers if worker.pid == victim))
        await scene.watch(len(scene.admitted), form.patience_s)
    verdict = await judge(scene, "recovery, unsupervised", f"{form.rounds} kill -9 of a worker")
    return _held_to(LONGEST_ALONE_S, verdict, form)


async def with_a_supervisor(scene: Scene, form: Form) -> Verdict:
    """The supervisor of `darkroom up` starts the dead again and frees their jobs."""
    scene.lease_s = Settings().lease_s  # a short one would help
    options = {"url": scene.address, "folder": str(scene.folder), "lease_s": scene.lease_s, "capacity": JOBS}
    scene.workers.append(scene.run([sys.executable, "-m", "tests.chaos.supervised_workers", json.dumps(options)]))
    for _ in range(form.rounds):
        victim = await _give_work(scene)
        scene.note_fault(victim)
        os.kill(victim, signal.SIGKILL)
        await scene.watch(len(scene.admitted), form.patience_s)
    verdict = await judge(scene, "recovery, supervised", f"{form.rounds} kill -9 of a worker")
    return _held_to(LONGEST_SUPERVISED_S, verdict, form)


async def _give_work(scene: Scene) -> int:
    """Waits until all of it is in hand, and for some time by chance; returns one of the processes that have it."""
    await scene.admit(JOBS, step_s=STEP_S)
    while len(starts := read_starts(scene.folder)) < JOBS or {s.job_id for s in starts[-JOBS:]} != set(
        scene.admitted[-JOBS:]
    ):
        await asyncio.sleep(LOOK_AGAIN_S)
    await asyncio.sleep(scene.chance.uniform(0, STEP_S * 4))
    return scene.chance.choice(starts[-JOBS:]).pid


def _held_to(longest_s: float, verdict: Verdict, form: Form) -> Verdict:
    p99 = percentile(verdict.recoveries_s, 0.99) if verdict.recoveries_s else math.inf
    longest_s = longest_s if form.times_count else 1e9
    verdict.require(p99 <= longest_s, f"p99 of the recovery is {p99:.2f} s, not {longest_s:g} s at most")
    return verdict
