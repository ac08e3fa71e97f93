"""Every family, three requests in company: equal to the stock pipeline alone, and batched."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tests.worker.engine.conformance import (
    chroma,
    editing,
    flux,
    flux_2,
    hunyuan_image,
    kandinsky,
    language_models,
    lumina,
    older_stable_diffusion,
    pixart,
    qwen_image,
    sana,
    smaller_transformers,
    stable_diffusion,
    stable_diffusion_3,
    stable_diffusion_xl,
    unconditional,
    video,
    z_image,
)
from tests.worker.engine.conformance.case import STEPS, Case
from worker.engine import Engine, EngineStats, ModuleStats

FAMILIES = [
    stable_diffusion,
    stable_diffusion_xl,
    stable_diffusion_3,
    flux,
    flux_2,
    qwen_image,
    z_image,
    sana,
    pixart,
    chroma,
    lumina,
    smaller_transformers,
    kandinsky,
    hunyuan_image,
    language_models,
    unconditional,
    video,
    older_stable_diffusion,
    editing,
]
CASES: list[Case] = [case for family in FAMILIES for case in family.CASES]
TOLERANCE = 1e-4


@pytest.mark.parametrize("case", CASES, ids=str)
def test_three_requests_in_company_give_what_each_gives_alone(case: Case) -> None:
    pipeline = case.build()
    stock = [np.asarray(seeded(number, pipeline, **case.arguments(number))[0]) for number in range(3)]

    with Engine() as engine:
        engine.adopt(pipeline)
        by_itself = np.asarray(seeded(0, engine.submit, pipeline, **case.arguments(0)).result(timeout=60)[0])
        before = engine.stats()
        in_company = develop_in_company(engine, pipeline, case)
        after = engine.stats()

    for one, other in zip([by_itself, *in_company], [stock[0], *stock], strict=True):
        assert np.abs(one - other).max() <= TOLERANCE
    assert np.abs(stock[0] - stock[1]).max() > TOLERANCE
    if case.is_exclusive:
        assert after.exclusive == (case.kind.__name__,)
    elif case.alone_because:
        assert any(case.alone_because in never.reason for never in after.never_stacked)
    else:
        assert_batched(before, after)


def seeded(number: int, function: Callable[..., Any], *args: Any, **arguments: Any) -> Any:
    """Calls a function after seeding torch, for the pipelines that draw without their generator."""
    torch.manual_seed(number)
    return function(*args, **arguments)


def develop_in_company(engine: Engine, pipeline: Any, case: Case) -> list[Any]:
    with engine._changed:  # the engine welcomes all three at once
        futures = [seeded(number, engine.submit, pipeline, **case.arguments(number)) for number in range(3)]
    return [np.asarray(future.result(timeout=60)[0]) for future in futures]


def assert_batched(before: EngineStats, after: EngineStats) -> None:
    """Asserts that what is called at each step had fewer forwards than calls, and more rows than the guided one alone.

    The first meeting's forwards, which check it, count too.
    """
    totals = [pair for pair in zip(before.modules, after.modules, strict=True) if is_stepped(pair[0])]
    assert totals
    for alone, total in totals:
        forwards = total.forwards - alone.forwards
        assert forwards < total.calls - alone.calls
        assert (total.rows - alone.rows) / forwards > alone.mean_rows


def is_stepped(module: ModuleStats) -> bool:
    is_encoder = module.module.endswith(".encode") or module.module.startswith("text_encoder")
    return module.calls >= STEPS[0] - 1 and not is_encoder
