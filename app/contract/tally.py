"""How often something has happened to jobs: counted in Redis by the very scripts that make it happen."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.contract import names

RESULTS = ("succeeded", "failed", "canceled", "expired")
REASONS = {"worker_lost": "worker_lost", "given_back": "worker_stopped", "retry": "retry"}  # and as the event has it


@dataclass(frozen=True)
class Tally:
    """The counts as TELL and FENCE keep them, each under what has happened and the queue's name."""

    counts: Mapping[str, int]

    @classmethod
    def of(cls, fields: Mapping[bytes, bytes]) -> "Tally":
        return cls({name.decode(errors="replace"): int(count) for name, count in fields.items()})

    def ended(self, model: str, result: str) -> int:
        return self._read(f"ended {result}", model)

    def requeued(self, model: str, reason: str) -> int:
        return self._read(f"requeued {REASONS[reason]}", model)

    def stale_commits(self, model: str) -> int:
        """How often a worker wanted to end a job that was another's by then."""
        return self._read("stale", model)

    def _read(self, what: str, model: str) -> int:
        return self.counts.get(f"{what} {names.queue_name(model)}", 0)
