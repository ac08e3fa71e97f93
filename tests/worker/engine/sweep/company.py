"""One company of requests: each as the stock pipeline gives it alone, and as the engine gives it among the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from worker.engine import Engine, EngineStats, ModuleStats

TIMEOUT_S = 600
EXACTLY = 0.0
FAR = float("inf")


@dataclass(frozen=True)
class Request:
    """One pipeline call; `arguments` are made anew for each, since generators and schedulers go on."""

    name: str
    pipeline: Any
    arguments: Callable[[], dict[str, Any]]
    seed: int


@dataclass(frozen=True)
class Meeting:
    """How far the requests that the stock pipeline accepts were from alone, by their names; and what the engine did."""

    differences: dict[str, float]
    stats: EngineStats

    @property
    def worst(self) -> str:
        return max(self.differences, key=lambda name: self.differences[name])

    @property
    def stepped(self) -> ModuleStats:
        """What is called most, a denoiser as a rule."""
        return max(self.stats.modules, key=lambda module: (not module.module.endswith("code"), module.calls))

    @property
    def mode(self) -> str:
        if self.stats.exclusive:
            return "exclusive"
        if self.stepped.forwards < self.stepped.calls:
            return "batched"
        reasons = [
            each.reason for each in (*self.stats.never_stacked, *self.stats.apart) if each.module == self.stepped.module
        ]
        return f"alone: {'; '.join(reasons)}" if reasons else "alone"


@torch.no_grad()
def bring_together(pipeline: Any, requests: Sequence[Request]) -> Meeting:
    stock = [_outcome(request, request.pipeline) for request in requests]
    with Engine() as engine:
        engine.adopt(pipeline)
        with engine._changed:  # the engine welcomes all at once
            futures = [
                engine.submit(request.pipeline, seed=request.seed, **request.arguments()) for request in requests
            ]
        outcomes = [future.exception(TIMEOUT_S) or list(_numbers(future.result())) for future in futures]
        stats = engine.stats()
    pairs = zip(requests, stock, outcomes, strict=True)
    return Meeting(
        {request.name: _difference(alone, ours) for request, alone, ours in pairs if _is_served(alone, ours)}, stats
    )


def _outcome(request: Request, pipeline: Any) -> "list[np.ndarray[Any, Any]] | BaseException":
    try:
        arguments = request.arguments()
        torch.manual_seed(request.seed)
        return list(_numbers(pipeline(**arguments)))
    except Exception as error:  # an option that the class has and that its tiny configuration cannot do
        return error


def _is_served(alone: Any, ours: Any) -> bool:
    """Whether there is something to compare: what fails alone has to fail in company, too."""
    return not (isinstance(alone, BaseException) and type(alone) is type(ours))


def _difference(alone: Any, ours: Any) -> float:
    if isinstance(alone, BaseException) or isinstance(ours, BaseException) or len(alone) != len(ours):
        return FAR
    return max((_apart(one, other) for one, other in zip(alone, ours, strict=True)), default=FAR)


def _apart(one: "np.ndarray[Any, Any]", other: "np.ndarray[Any, Any]") -> float:
    if one.shape != other.shape or not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return FAR
    return float(np.nan_to_num(np.abs(one - other), nan=0).max(initial=EXACTLY))


def _numbers(tree: Any) -> Iterator["np.ndarray[Any, Any]"]:
    """Yields all numbers of an output: of arrays, tensors and pictures, wherever they hang."""
    if isinstance(tree, Image.Image):
        yield np.asarray(tree) / 255
    elif isinstance(tree, (torch.Tensor, np.ndarray)):
        yield torch.as_tensor(tree).detach().double().numpy()
    else:
        branches = tree if isinstance(tree, (list, tuple)) else getattr(tree, "__dict__", tree)
        for branch in branches.values() if isinstance(branches, Mapping) else _listed(branches):
            yield from _numbers(branch)


def _listed(branches: Any) -> "list[Any] | tuple[Any, ...]":
    return branches if isinstance(branches, (list, tuple)) else ()
