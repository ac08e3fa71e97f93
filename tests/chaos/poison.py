import asyncio
from contextlib import suppress

from tests.chaos.census import judge, statuses
from tests.chaos.form import Form
from tests.chaos.scene import LOOK_AGAIN_S, Scene
from tests.chaos.verdict import Verdict

NEIGHBOURS = 60


async def one_job_kills_its_workers(scene: Scene, form: Form) -> Verdict:
    """Among others in the same batch; whoever starts workers starts one for each that died."""
    scene.start_workers(2)
    before = await scene.admit(NEIGHBOURS // 2, step_s=0.1)
    [poison] = await scene.admit(1, step_s=0.1, deadly="yes")
    await scene.admit(NEIGHBOURS - len(before), step_s=0.1)
    dead: list[int] = []
    replacing = asyncio.create_task(_replace_the_dead(scene, dead))
    await scene.watch(NEIGHBOURS + 1, form.patience_s)
    replacing.cancel()
    with suppress(asyncio.CancelledError):
        await replacing
    failed = [job_id for job_id, status in statuses(scene).items() if status != "finished"]
    verdict = await judge(scene, "a job kills its workers", f"{len(dead)} workers killed by it")
    verdict.require(failed == [poison], f"{failed} failed instead of {poison} alone")
    return verdict


async def _replace_the_dead(scene: Scene, dead: list[int]) -> None:
    while True:
        for worker in [each for each in scene.workers if each.poll() is not None]:
            dead.append(worker.pid)
            scene.workers.remove(worker)
            scene.start_worker()
        await asyncio.sleep(LOOK_AGAIN_S)
