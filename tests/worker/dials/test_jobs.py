from contextlib import suppress

from prometheus_client import CollectorRegistry
from redis import Redis

from tests.worker.queue.front import Front
from tests.worker.queue.hand import Hand
from worker.dials.jobs import JobDials


def test_of_a_job_that_fails_is_counted_what_it_has_behind_it(front: Front, redis: Redis) -> None:
    registry = CollectorRegistry()
    dials = JobDials(["mini", "large"], registry)
    front.admit()
    [claim] = Hand(redis, "darkroom-a", ["mini"]).claim()

    with suppress(RuntimeError), dials.timing(claim):
        claim.stages.end("load")
        for _ in range(3):
            claim.stages.step()
        raise RuntimeError

    def count(model: str, stage: str) -> float | None:
        return registry.get_sample_value("darkroom_job_stage_seconds_count", {"model": model, "stage": stage})

    assert [count("mini", stage) for stage in ("queue", "load", "encode")] == [1, 1, 1]
    assert [count("mini", stage) for stage in ("denoise", "decode", "save")] == [0, 0, 0]
    assert registry.get_sample_value("darkroom_step_seconds_count", {"model": "mini"}) == 2
    assert count("large", "queue") == 0
