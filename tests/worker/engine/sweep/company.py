"""One company of requests: each as the stock pipeline gives it alone, and as the engine gives it among the others."""

import inspect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

import torch
from torch import nn

from tests.worker.engine.sweep.joining import Joining
from tests.worker.engine.sweep.outcome import Outcome, far, outcome_of
from tests.worker.engine.sweep.request import TIMEOUT_S, Request
from worker.engine import Engine, EngineStats, ModuleStats

ROWS = (7, 11, 16)  # the engine's limit: which one is left to chance


@dataclass(frozen=True)
class Meeting:
    """How far requests were from alone, by names; which ones the stock pipeline refuses; and what the engine did.

    `modules` are of the second time alone: in the first one, first meetings are answered by the check.
    """

    differences: dict[str, float]
    refused: dict[str, BaseException]
    modules: tuple[ModuleStats, ...]
    stats: EngineStats

    @property
    def worst(self) -> str:
        return max(self.differences, key=lambda name: self.differences[name])

    @property
    def stepped(self) -> ModuleStats:
        """What has most rows, but for decoders and encoders: a denoiser as a rule."""
        return max(self.modules, key=lambda module: (not module.module.endswith("code"), module.rows))

    @property
    def mode(self) -> str:
        if self.stepped.forwards < self.stepped.calls:
            return "batched"
        return "exclusive" if self.stats.exclusive else "alone"

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is said of calls of the same method that are never stacked."""
        never = self.stats.never_stacked
        return tuple(sorted({each.reason for each in never if each.module == self.stepped.module}))


@torch.no_grad()
def bring_together(requests: Sequence[Request], chance: Random) -> Meeting:
    """Has the requests come all at once; then one after the other, while others are in flight and one is cancelled."""
    alone = {request.name: outcome_of(partial(_stock, request)) for request in requests}
    with Engine(max_rows=chance.choice(ROWS)) as engine:
        for request in requests:
            engine.adopt(request.pipeline)
        at_once = _at_once(engine, requests)
        before = engine.stats()
        joined = Joining(engine, requests, chance).outcomes()
        after = engine.stats()
    refused = {name: error for name, error in alone.items() if isinstance(error, BaseException)}
    rounds = {"at once": at_once, "joining": joined}
    differences = {
        f"{name}, {how}": far(alone[name], outcome)
        for how, outcomes in rounds.items()
        for name, outcome in outcomes.items()
        if name not in refused or type(outcome) is not type(alone[name])  # what fails alone has to fail in company, too
    }
    modules = tuple(map(_since, before.modules, after.modules))
    return Meeting(differences, refused, modules, after)


def _stock(request: Request) -> Any:
    parts = [part for module in request.pipeline.components.values() for part in _parts(module)]
    processors = [(part, part.processor) for part in parts if hasattr(part, "processor")]
    arguments = request.arguments()
    if "seed" in inspect.signature(type(request.pipeline).__call__).parameters:
        arguments["seed"] = request.seed
    torch.manual_seed(request.seed)
    try:
        return request.pipeline(**arguments)
    finally:
        for part, processor in processors:  # perturbed-attention pipelines that fail leave theirs behind
            part.processor = processor


def _parts(module: Any) -> Iterable[nn.Module]:
    return module.modules() if isinstance(module, nn.Module) else ()


def _at_once(engine: Engine, requests: Sequence[Request]) -> dict[str, Outcome]:
    with engine._changed:  # the engine welcomes all at once
        futures = {
            request.name: engine.submit(request.pipeline, seed=request.seed, **request.arguments())
            for request in requests
        }
    return {name: outcome_of(partial(future.result, TIMEOUT_S)) for name, future in futures.items()}


def _since(before: ModuleStats, after: ModuleStats) -> ModuleStats:
    forwards = Counter(after.by_rows)
    forwards.subtract(before.by_rows)
    return replace(after, calls=after.calls - before.calls, by_rows=forwards)
