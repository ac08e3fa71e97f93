import asyncio
from collections import defaultdict
from contextlib import suppress

from tests.chaos.apis import RequestFailed, serving
from tests.chaos.census import judge
from tests.chaos.form import Form
from tests.chaos.scene import Scene
from tests.chaos.verdict import Verdict

APIS = 2
BODY = {"prompt": "a cat", "num_inference_steps": 2, "metadata": {"step_s": "0.01"}}


async def clients_submit_the_same_keys(scene: Scene, form: Form) -> Verdict:
    """All at once, over two API processes; each key is one job, whoever comes first."""
    keys = [f"key-{n}" for n in range(form.keys)]
    given: dict[str, set[str]] = defaultdict(set)

    async with serving(scene, APIS) as (_, balancer):

        async def client() -> None:
            for key in scene.chance.sample(keys, len(keys)):
                with suppress(RequestFailed):  # the balancer remembers it
                    job = await balancer.ask("POST", "/v1/jobs", json=BODY, headers={"Idempotency-Key": key})
                    given[key].add(job["id"])

        await asyncio.gather(*(client() for _ in range(form.clients)))
    scene.admitted = sorted(set.union(*given.values()))
    scene.start_workers(2)
    await scene.watch(len(scene.admitted), form.patience_s)
    verdict = await judge(scene, "the same keys at once", f"{form.clients} clients, {form.keys} keys")
    verdict.require(len(scene.admitted) == form.keys, f"{len(scene.admitted)} jobs came of {form.keys} keys")
    verdict.require(all(len(jobs) == 1 for jobs in given.values()), "a key was answered with several jobs")
    verdict.require(not balancer.failures, f"{len(balancer.failures)} requests failed: {balancer.failures[:1]}")
    return verdict
