from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

from torch import Tensor, nn

from worker.engine import worn
from worker.engine.rows.wearing import wearing
from worker.pipelines.adapters.errors import RowsUnclear
from worker.pipelines.adapters.lora import Lora


@dataclass(frozen=True)
class Wearing:
    """What a run's rows wear: LoRAs, each with its scale. Equal ones have the same effect.

    A run in flight keeps what it wears, also when it is unloaded meanwhile.
    """

    loras: tuple[tuple[Lora, float], ...]

    @property
    def kinds(self) -> list[frozenset[nn.Module]]:
        """What the first meeting depends on: that a layer has the batch's rows is seen only where one reaches it."""
        return [lora.layers for lora, _ in self.loras]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring rows that wear the same, and how many of them each call has."""

    first: int
    end: int
    wearing: Wearing
    calls: Sequence[tuple[Wearing, int]]


class Wearable:
    """The forward of a layer that LoRAs reach: the layer's own, and what the rows of the present pass wear."""

    def __init__(self, layer: nn.Module) -> None:
        self._layer = layer
        self._plain = layer.forward

    def __call__(self, input: Tensor) -> Tensor:  # noqa: A002 (as torch names it)
        output: Tensor = self._plain(input)
        if any(isinstance(each, Wearing) for each, _ in worn()):
            self._add(input, output)
        return output

    def _add(self, rows: Tensor, output: Tensor) -> None:
        total = sum(count for _, count in worn())
        for stretch in stretches(worn()):
            part: Any = slice(None)
            if stretch.end - stretch.first < total:
                part = self._part(stretch, rows, total)
            with wearing(stretch.calls):  # each is rounded as alone
                for lora, scale in stretch.wearing.loras:
                    if pair := lora.pairs.get(self._layer):
                        pair.add(self._layer, rows[part], output[part], scale)

    def _part(self, stretch: Stretch, rows: Tensor, total: int) -> slice:
        """A layer may have several vectors for each row, as where frames or tokens are folded into dimension 0."""
        times, rest = divmod(rows.shape[0], total)
        if rest or rows.ndim < 2:
            raise RowsUnclear(f"A tensor of shape {tuple(rows.shape)} cannot be told apart into {total} rows.")
        return slice(stretch.first * times, stretch.end * times)


def make_wearable(layer: nn.Module) -> None:
    """Extends a layer's forward, once; it does what it did for rows that wear nothing."""
    if not isinstance(vars(layer).get("forward"), Wearable):
        vars(layer)["forward"] = Wearable(layer)


def stretches(rows: Sequence[tuple[Any, int]]) -> list[Stretch]:
    """Returns who wears something, of all rows of a forward pass."""
    alike = [(worn_by_all, [*group]) for worn_by_all, group in groupby(rows, key=lambda each: each[0])]
    ends = accumulate(sum(count for _, count in group) for _, group in alike)
    return [
        Stretch(end - sum(count for _, count in group), end, worn_by_all, group)
        for (worn_by_all, group), end in zip(alike, ends, strict=True)
        if isinstance(worn_by_all, Wearing)
    ]
