import math
from dataclasses import dataclass, field

HEAD = ("case", "injected faults", "jobs", "lost", "published twice", "recovery p50", "recovery p99", "holds")

SHOWN = 20


@dataclass
class Verdict:
    """What a case found: one line of the table, and a sentence for whatever did not hold."""

    case: str
    faults: str
    jobs: int
    lost: list[str] = field(default_factory=list)
    published_twice: list[str] = field(default_factory=list)
    recoveries_s: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (self.lost or self.published_twice or self.complaints)

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.complaints.append(otherwise)

    def sentences(self) -> list[str]:
        """All that did not hold, not at any length."""
        named = [("lost", self.lost), ("published twice", self.published_twice)]
        return [f"{word}: {', '.join(jobs[:SHOWN])}" for word, jobs in named if jobs] + self.complaints[:SHOWN]

    def line(self) -> tuple[str, ...]:
        waits = [f"{percentile(self.recoveries_s, share):.2f} s" if self.recoveries_s else "" for share in (0.5, 0.99)]
        counts = map(str, (self.jobs, len(self.lost), len(self.published_twice)))
        return (self.case, self.faults, *counts, *waits, "yes" if self.holds else "NO")


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least such a share of them does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def table(verdicts: list[Verdict]) -> str:
    """In Markdown."""
    rows = [HEAD, ("---",) * len(HEAD), *(verdict.line() for verdict in verdicts)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
