import asyncio

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.form import Form
from tests.chaos.scene import Scene
from tests.chaos.verdict import Verdict
from tests.worker.queue.test_states import Books

STEPS = 50


async def events_come_in_any_order(scene: Scene, form: Form) -> Verdict:
    """The state machine of the tests, with orders of events that are new each time."""

    class Here(Books):
        server = scene.redis

    chosen = settings(
        max_examples=form.orders,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    verdict = Verdict("any order of events", f"{form.orders} orders of up to {STEPS} events", 0)
    try:
        await asyncio.to_thread(run_state_machine_as_test, Here, settings=chosen)
    except AssertionError as broken:
        verdict.require(False, "\n".join([str(broken), *broken.__notes__]))
    return verdict
