"""A request becomes an admitted job."""

import hashlib
from dataclasses import dataclass

from app.contract.catalogue import Catalogue
from app.contract.generation import GenerationRequest, seed_of
from app.contract.job import JobRecord
from app.contract.job_store import JobStore


@dataclass(frozen=True)
class Submission:
    """The way that every request takes, whichever route it came by."""

    catalogue: Catalogue
    store: JobStore

    async def submit(self, request: GenerationRequest, *, tenant: str, job_id: str | None = None) -> JobRecord:
        """Looks the model up, fills in its defaults, draws the seed and admits the job; without an id it gets one.

        Raises ModelNotFound, InvalidField, JobConflict, QueueFull, ShareFull or RedisUnavailable.
        """
        if job_id and request.seed is None:
            request = request.model_copy(update={"seed": seed_of(job_id)})
        generation = self.catalogue.find(request.model).fill(request)
        return await self.store.admit(generation, job_id, tenant=tenant)


def id_for_key(idempotency_key: str, tenant: str) -> str:
    """The id of the job that the tenant submits with this key: the job's record is the key's memory."""
    return hashlib.sha256(f"{tenant}\n{idempotency_key}".encode()).hexdigest()[:32]
