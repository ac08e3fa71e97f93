from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModuleStats:
    """Totals of one rerouted method since it was adopted; they never fall.

    `calls` were asked for by runs, `forwards` executed to answer them; `rows` is the sum of the forwards' rows.
    What a first meeting is checked with besides, other values than were asked for, is not counted.
    """

    model: str
    module: str
    calls: int
    forwards: int
    rows: int

    @property
    def mean_rows(self) -> float:
        return self.rows / self.forwards if self.forwards else 0.0


@dataclass(frozen=True, slots=True, order=True)
class NeverStacked:
    """A kind of call that is answered alone, or apart from others, and why."""

    model: str
    module: str
    reason: str


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What an engine does and has done.

    `apart` says in what calls differed that waited together and were not stacked with each other; they may well have
    been with others. `exclusive` names the pipeline classes that run one at a time.
    """

    runs: int
    modules: tuple[ModuleStats, ...]
    never_stacked: tuple[NeverStacked, ...]
    apart: tuple[NeverStacked, ...]
    exclusive: tuple[str, ...]
