"""One telling of a job's end to one receiver: what its record holds, as the outbox wrote it, and what became of it."""

import hashlib
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from app.contract import names

DEFAULT_ENDPOINT = "default"  # whose secret signs what goes to a job's own webhook
TEST_EVENT = "webhook.test"


class Delivery(BaseModel):
    """Whom to tell of what; the body is made from the job's record when it is sent."""

    model_config = ConfigDict(extra="ignore", frozen=True)  # another version may have stored more

    tenant: str
    record_id: str
    event: str
    at: datetime
    endpoint: str
    url: str | None = None  # of the job's own webhook; an endpoint knows its own

    @property
    def event_id(self) -> str:
        """The same for everyone who is told of this event."""
        named = f"{self.record_id} {self.event} {self.at.isoformat()}"
        return f"evt_{hashlib.sha256(named.encode()).hexdigest()[:32]}"

    @property
    def job_id(self) -> str:
        return names.job_id(self.tenant, self.record_id)


class Receipt(BaseModel):
    """What a delivery that arrived leaves behind."""

    status_code: int
