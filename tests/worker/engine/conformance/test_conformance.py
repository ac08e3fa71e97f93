"""Every family, three requests in company: equal to the stock pipeline alone, and batched."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from tests.worker.engine.conformance import (
    chroma,
    flux,
    flux_2,
    lumina,
    pixart,
    qwen_image,
    sana,
    stable_diffusion,
    stable_diffusion_3,
    stable_diffusion_xl,
)
from tests.worker.engine.conformance.case import Case
from worker.engine import Engine, EngineStats, ModuleStats

FAMILIES = [
    stable_diffusion,
    stable_diffusion_xl,
    stable_diffusion_3,
    flux,
    flux_2,
    qwen_image,
    sana,
    pixart,
    chroma,
    lumina,
]
CASES: list[Case] = [case for family in FAMILIES for case in family.CASES]
TOLERANCE = 1e-4


class Gate:
    """A pipeline without modules, which holds the engine until all requests are there."""

    def __init__(self) -> None:
        self.is_open = threading.Event()

    def __call__(self) -> None:
        self.is_open.wait(30)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_three_requests_in_company_give_what_each_gives_alone(case: Case) -> None:
    pipeline = case.build()
    with counting_rows(pipeline) as rows:
        alone = [np.asarray(pipeline(**case.arguments(number))[0]) for number in range(3)]

    together, stats = develop_in_company(pipeline, case)

    for one, other in zip(together, alone, strict=True):
        assert np.abs(one - other).max() <= TOLERANCE
    assert all(np.isfinite(one).all() for one in alone)
    assert np.abs(alone[0] - alone[1]).max() > TOLERANCE
    if case.is_exclusive:
        assert stats.exclusive == (case.kind.__name__,)
    elif case.alone_because:
        assert any(case.alone_because in never.reason for never in stats.never_stacked)
    else:
        assert_batched(stats, rows)


def develop_in_company(pipeline: Any, case: Case) -> tuple[list[Any], EngineStats]:
    gate = Gate()
    with Engine() as engine:
        engine.adopt(pipeline)
        engine.submit(gate)
        futures = [engine.submit(pipeline, **case.arguments(number)) for number in range(3)]
        gate.is_open.set()
        return [np.asarray(future.result(timeout=60)[0]) for future in futures], engine.stats()


def assert_batched(stats: EngineStats, rows: dict[str, int]) -> None:
    """Asserts that modules called at each step had fewer forwards than calls, with more rows than any alone."""
    stepped = [module for module in stats.modules if module.calls >= 9 and is_forward(module)]
    assert stepped
    for module in stepped:
        assert module.forwards < module.calls
        assert module.mean_rows > rows[module.module]


def is_forward(module: ModuleStats) -> bool:
    return not module.module.endswith((".encode", ".decode"))


@contextmanager
def counting_rows(pipeline: Any) -> Iterator[dict[str, int]]:
    """Yields the largest number of rows that each module answers with, while the pipeline runs by itself."""
    rows: dict[str, int] = {}

    def note(name: str, output: Any) -> None:
        leaf = next(iter(output.values())) if isinstance(output, dict) else output
        while isinstance(leaf, (tuple, list)):
            leaf = leaf[0]
        rows[name] = max(rows.get(name, 0), len(leaf))

    modules = {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}
    handles = [
        part.register_forward_hook(lambda _part, _inputs, output, name=name: note(name, output))
        for name, part in modules.items()
    ]
    yield rows
    for handle in handles:
        handle.remove()
