from typing import Any

import pytest
import torch
from torch import Tensor, nn

from worker.engine import worn
from worker.engine.rows.rounding import AsAlone
from worker.engine.rows.wearing import wearing
from worker.pipelines.adapters import Lora, RowsUnclear, Wearing
from worker.pipelines.adapters.lora import Pair
from worker.pipelines.adapters.wearing import make_wearable


def lora(layer: Any, seed: int, rank: int = 2) -> Lora:
    generator = torch.Generator().manual_seed(seed)
    out, into, *kernel = layer.weight.shape
    down = torch.randn(rank, into, *kernel, generator=generator)
    up = torch.randn(out, rank, *(1 for _ in kernel), generator=generator)
    return Lora({layer: Pair(down, up, scaling=0.5)})


def wearable(layer: Any) -> Any:
    torch.manual_seed(0)
    layer.requires_grad_(requires_grad=False)
    make_wearable(layer)
    return layer


def alone(layer: Any, rows: Tensor, adapters: Wearing | None) -> Tensor:
    with wearing([(adapters, len(rows))]):
        return layer(rows)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(6, 5), (6,)),
        (nn.Linear(6, 5), (4, 6)),
        (nn.Conv2d(3, 5, 3, stride=2, padding=1), (3, 8, 8)),
        (nn.Conv2d(3, 5, 1), (3, 4, 4)),
        (nn.Conv2d(3, 5, 3, dilation=2, padding="same"), (3, 8, 8)),
    ],
    ids=str,
)
def test_each_row_has_its_own_loras_and_scales(layer: Any, shape: tuple[int, ...], times: int) -> None:
    layer = wearable(layer)
    one, other = lora(layer, 1), lora(layer, 2, rank=3)
    worn_by = [(Wearing(((one, 1.0),)), 2), (None, 1), (Wearing(((one, -0.3), (other, 2.0))), 1), (None, 1)]
    rows = torch.randn(5 * times, *shape)

    with wearing(worn_by):
        together = layer(rows)

    parts = rows.split([count * times for _, count in worn_by])
    apart = [alone(layer, part, adapters) for part, (adapters, _) in zip(parts, worn_by, strict=True)]
    torch.testing.assert_close(together, torch.cat(apart))
    torch.testing.assert_close(apart[1], alone(layer, parts[1], None))
    assert not torch.allclose(apart[0], alone(layer, parts[0], None))


def test_what_calls_that_wear_the_same_are_given_is_rounded_as_alone() -> None:
    layer = wearable(nn.Linear(48, 40))
    adapters = Wearing(((lora(layer, 1, rank=16), 0.7),))
    worn_by = [(None, 3), (adapters, 1), (adapters, 1), (adapters, 2)]
    rows = torch.randn(7, 48)

    with wearing(worn_by), AsAlone():
        together = layer(rows)

    apart = [alone(layer, part, each) for part, (each, _) in zip(rows.split([3, 1, 1, 2]), worn_by, strict=True)]
    assert torch.equal(together, torch.cat(apart))


def test_what_is_added_is_the_product_of_the_pair() -> None:
    layer = wearable(nn.Linear(6, 5))
    worn_lora = lora(layer, 1)
    rows = torch.randn(2, 6)

    result = alone(layer, rows, Wearing(((worn_lora, 0.7),)))

    pair = worn_lora.pairs[layer]
    weight = layer.weight + 0.7 * pair.scaling * pair.up @ pair.down
    torch.testing.assert_close(result, rows @ weight.T + layer.bias)


def test_a_row_that_is_not_a_number_touches_no_other() -> None:
    layer = wearable(nn.Linear(6, 5))
    rows = torch.randn(3, 6)
    rows[0] = float("nan")

    with wearing([(Wearing(((lora(layer, seed), 1.0),)), 1) for seed in range(3)]):
        result = layer(rows)

    assert result.isfinite().all(-1).tolist() == [False, True, True]


def test_rows_that_cannot_be_told_apart_are_an_error_only_where_they_wear_different_things() -> None:
    layer = wearable(nn.Linear(6, 5))
    adapters = Wearing(((lora(layer, 1), 1.0),))

    with (
        pytest.raises(RowsUnclear, match=r"\(3, 6\) cannot be told apart into 2 rows"),
        wearing([(adapters, 1), (None, 1)]),
    ):
        layer(torch.randn(3, 6))

    with wearing([(adapters, 1), (adapters, 1)]):
        assert layer(torch.randn(3, 6)).shape == (3, 5)


def test_a_layer_outside_of_runs_is_what_it_was() -> None:
    layer = nn.Linear(6, 5)
    rows = torch.randn(2, 6)
    before = layer(rows)

    make_wearable(layer)
    make_wearable(layer)

    assert not worn()
    assert torch.equal(layer(rows), before)
