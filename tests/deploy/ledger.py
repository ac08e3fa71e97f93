"""What clients asked of a stack, what they were promised, and what became of it; told as a line's figure."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from app.contract.job import JobStatus
from tests.chaos.census import places

DELIVERY = "msg_"  # begins the id of a delivery, which to Redis is a job too

Figure = tuple[str, bool]  # and whether it is as promised


@dataclass
class Answers:
    """How requests fared: the seconds that each took, or why it failed."""

    at_once_s: list[float] = field(default_factory=list)
    in_the_end_s: list[float] = field(default_factory=list)  # when it had to be sent again
    failures: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.at_once_s) + len(self.in_the_end_s) + len(self.failures)

    def none_failed(self) -> Figure:
        figure = (
            f"{len(self)} requests, {len(self.failures)} failed, the slowest {max(self.at_once_s, default=0):.1f} s"
        )
        if self.in_the_end_s:
            figure += f"; {len(self.in_the_end_s)} sent again, answered after {max(self.in_the_end_s):.1f} s at most"
        return "; ".join([figure, *self.failures[:1]]), bool(self) and not self.failures


@dataclass
class Jobs:
    """Jobs whose ids came back, which is the promise, as they were last seen."""

    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.seen)

    @property
    def lost(self) -> list[str]:
        return [job_id for job_id, job in self.seen.items() if not JobStatus(job["status"]).is_terminal]

    @property
    def attempts(self) -> int:
        """At the job that was started most often."""
        return max((job["attempt"] for job in self.seen.values()), default=0)

    def none_lost(self, redis: Redis, known: Collection[str]) -> Figure:
        """Each has succeeded and is in Redis once, and there is none that is not known."""
        held = places(redis)
        faults = {
            "lost": self.lost,
            "not succeeded": [job_id for job_id, job in self.seen.items() if job["status"] != JobStatus.SUCCEEDED],
            "not once in Redis": [job_id for job_id in self.seen if held[job_id] != 1],
            "unknown": [job_id for job_id in held if job_id not in known and not job_id.startswith(DELIVERY)],
        }
        said = [f"{len(ids)} {fault}: {ids[0]}" for fault, ids in faults.items() if ids]
        figure = f"{len(self)} jobs taken, {len(self) - len(self.lost)} ended"
        return "; ".join([figure, *said]), bool(self.seen) and not said
