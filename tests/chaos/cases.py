import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos import company, crashes, idempotency, orders, poison, recovery, replies, rolling, whole
from tests.chaos.form import Form
from tests.chaos.scene import Scene, Tell
from tests.chaos.verdict import Verdict

Case = Callable[[Scene, Form], Coroutine[Any, Any, Verdict]]

CASES: dict[str, Case] = {  # with a stub engine
    "kills": crashes.workers_are_killed,
    "outages": crashes.redis_is_killed,
    "both": crashes.workers_and_redis_are_killed,
    "pauses": crashes.workers_are_paused,
    "replies": replies.replies_are_lost,
    "alone": recovery.without_a_supervisor,
    "supervised": recovery.with_a_supervisor,
    "poison": poison.one_job_kills_its_workers,
    "idempotency": idempotency.clients_submit_the_same_keys,
    "rolling": rolling.everything_is_restarted_under_load,
}
ONLY_LONG: dict[str, Case] = {  # the last two with the embedded model
    "orders": orders.events_come_in_any_order,
    "cancel": company.one_of_a_batch_is_canceled,
    "up": whole.the_worker_of_darkroom_up_is_killed,
}


def play(names: Iterable[str], form: Form, seed: int, tell: Callable[[str, int, int], None]) -> Iterator[Verdict]:
    """Plays the cases, each on a scene of its own, and gives the verdicts in the same order."""
    with ThreadPoolExecutor(form.at_once) as pool:
        yield from pool.map(lambda name: _play(name, form, seed, partial(tell, name)), names)


def _play(name: str, form: Form, seed: int, tell: Tell) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:  # short enough for a socket
        scene = Scene(Path(folder), seed, form.lease_s, tell)
        try:
            return asyncio.run((CASES | ONLY_LONG)[name](scene, form))
        finally:
            scene.close()
