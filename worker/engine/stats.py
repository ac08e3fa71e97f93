from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModuleStats:
    """Totals of one rerouted method since it was adopted; they never fall.

    `calls` were asked for by runs, `forwards` executed to answer them; `by_rows` says how many of these had how many
    rows. What a first meeting is checked with besides, other values than were asked for, is not counted.
    """

    model: str
    module: str
    calls: int
    by_rows: Mapping[int, int]

    @property
    def forwards(self) -> int:
        return sum(self.by_rows.values())

    @property
    def rows(self) -> int:
        return sum(rows * forwards for rows, forwards in self.by_rows.items())

    @property
    def mean_rows(self) -> float:
        return self.rows / self.forwards if self.forwards else 0.0


@dataclass(frozen=True, slots=True, order=True)
class NeverStacked:
    """A kind of call that is answered alone, and why."""

    model: str
    module: str
    reason: str


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What an engine does and has done.

    `exclusive` names the pipeline classes that run one at a time. Lookups, such as texts to be
    encoded, were `remembered` or `missed`. `out_of_memory` counts batches that were halved and runs that failed.
    `busy_s` is the time in which the engine had something to do.
    """

    runs: int
    modules: tuple[ModuleStats, ...]
    never_stacked: tuple[NeverStacked, ...]
    exclusive: tuple[str, ...]
    remembered: int
    missed: int
    out_of_memory: int
    busy_s: float
