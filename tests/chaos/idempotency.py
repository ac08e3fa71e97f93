import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack

from app.contract.catalogue import Catalogue
from app.contract.generation import GenerationRequest
from app.contract.job_store import JobStore
from tests.chaos.census import judge
from tests.chaos.form import Form
from tests.chaos.scene import Scene
from tests.chaos.verdict import Verdict

FRONTS = 2
REQUEST = GenerationRequest(prompt="a cat", num_inference_steps=2, metadata={"step_s": "0.01"})


async def clients_submit_the_same_keys(scene: Scene, form: Form) -> Verdict:
    """All at once, over two connections' pools; each key is one job, whoever comes first."""
    keys = [f"key-{n}" for n in range(form.keys)]
    generation = Catalogue.read().find(None).fill(REQUEST)
    given: dict[str, set[str]] = defaultdict(set)

    async def client(store: JobStore) -> None:
        for key in scene.chance.sample(keys, len(keys)):
            given[key].add((await store.admit(generation, key)).id)

    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(scene.store()) for _ in range(FRONTS)]
        await asyncio.gather(*(client(stores[n % FRONTS]) for n in range(form.clients)))
    scene.admitted = sorted(set.union(*given.values()))
    scene.start_workers(2)
    await scene.watch(len(scene.admitted), form.patience_s)
    verdict = await judge(scene, "the same keys at once", f"{form.clients} clients, {form.keys} keys")
    verdict.require(len(scene.admitted) == form.keys, f"{len(scene.admitted)} jobs came of {form.keys} keys")
    return verdict
