"""What one API key may ask of the service."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.contract.generation import Generation

Bound = Annotated[int, Field(ge=1, le=10**15)]  # exact as a number of Lua's
MINUTE_S = 60
DAY_S = 86_400


class Limits(BaseModel):
    """None: as much as the service can take."""

    model_config = ConfigDict(frozen=True)

    requests_per_minute: Bound | None = None
    max_jobs: Bound | None = Field(default=None, description="Jobs that have not ended.")
    max_queued: Bound | None = Field(default=None, description="Jobs that wait.")
    pixels_per_day: Bound | None = Field(default=None, description="Of all pictures that are asked for; UTC days.")

    @property
    def policy(self) -> str:
        """The value of the header `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10)."""
        policies = {
            f'"requests_per_minute";q={self.requests_per_minute};w={MINUTE_S}': self.requests_per_minute,
            f'"max_jobs";q={self.max_jobs};qu="jobs"': self.max_jobs,
            f'"max_queued";q={self.max_queued};qu="jobs"': self.max_queued,
            f'"pixels_per_day";q={self.pixels_per_day};qu="pixels";w={DAY_S}': self.pixels_per_day,
        }
        return ", ".join(policy for policy, bound in policies.items() if bound)


def pixels_of(generation: Generation) -> int:
    return generation.num_images * generation.width * generation.height


def day_of(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def seconds_left_of_day(moment: datetime) -> int:
    return DAY_S - int(moment.timestamp()) % DAY_S
