from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Histogram

from worker import stages
from worker.queue import Claim

STAGE_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
STEP_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class JobDials:
    """How long the jobs of each model take, stage by stage and step by step."""

    def __init__(self, models: Iterable[str] = (), registry: CollectorRegistry | None = None) -> None:
        self._stage = Histogram(
            "darkroom_job_stage_seconds",
            "Time in a stage: queue, load (inputs and the model), encode (to the end of the first step), denoise (to "
            "that of the last), decode (to the pictures on the host), save.",
            ["model", "stage"],
            buckets=STAGE_BUCKETS_S,
            registry=registry,
        )
        self._step = Histogram(
            "darkroom_step_seconds",
            "From one step of a job to its next, in the company that it had.",
            ["model"],
            buckets=STEP_BUCKETS_S,
            registry=registry,
        )
        for model in models:  # there from the start: an increase from nothing is not seen
            self._step.labels(model)
            for stage in stages.NAMES:
                self._stage.labels(model, stage)

    @contextmanager
    def timing(self, claim: Claim) -> Iterator[None]:
        """Counts what the job has behind it when the context ends, also of one that fails."""
        try:
            yield
        finally:
            model = claim.generation.model
            for stage, seconds in claim.stages.seconds.items():
                self._stage.labels(model, stage).observe(seconds)
            for step_s in claim.stages.steps_s:
                self._step.labels(model).observe(step_s)
