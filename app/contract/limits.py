"""What one API key may ask of the service."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.contract import names
from app.contract.errors import ShareFull
from app.contract.generation import Generation

Bound = Annotated[int, Field(ge=1, le=10**15)]  # exact as a number of Lua's
DAY_S = 86_400
UNITS = {  # and the seconds in which so many may be used
    "requests_per_minute": "w=60",
    "max_jobs": 'qu="jobs"',
    "max_queued": 'qu="jobs"',
    "pixels_per_day": f'qu="pixels";w={DAY_S}',
}
ADMITTED = {"max_jobs", "max_queued", "pixels_per_day"}


class Limits(BaseModel):
    """None: as much as the service can take."""

    model_config = ConfigDict(frozen=True)

    requests_per_minute: Bound | None = None
    max_jobs: Bound | None = Field(default=None, description="Jobs that have not ended.")
    max_queued: Bound | None = Field(default=None, description="Jobs that wait.")
    pixels_per_day: Bound | None = Field(default=None, description="Of all pictures that are asked for; UTC days.")

    @property
    def hold_admission(self) -> bool:
        return any((self.max_jobs, self.max_queued, self.pixels_per_day))

    @property
    def policy(self) -> str:
        """The value of the header `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10)."""
        return ", ".join(f'"{name}";q={bound};{UNITS[name]}' for name, bound in self if bound)


@dataclass(frozen=True)
class Quota:
    """What may be admitted with one API key; ADMIT holds it to it."""

    key_id: str
    limits: Limits

    def of(self, generation: Generation, moment: datetime) -> str:
        """The quota and what this job takes of it, in JSON."""
        day = moment.astimezone(UTC).strftime("%Y-%m-%d")
        return json.dumps(
            {
                "live": names.live_jobs_key(self.key_id),
                "day": names.pixels_key(self.key_id, day),
                "pixels": generation.num_images * generation.width * generation.height,
                **self.limits.model_dump(include=ADMITTED, exclude_none=True),
            }
        )

    def broken(self, bound: str, moment: datetime) -> ShareFull:
        """What to tell the caller of the bound that ADMIT found broken."""
        wait_s = DAY_S - int(moment.timestamp()) % DAY_S if bound == "pixels_per_day" else ShareFull.retry_after_s
        message = f"The limit {bound}={getattr(self.limits, bound)} of this API key is reached."
        return ShareFull(message, limit=bound, retry_after_s=wait_s)
