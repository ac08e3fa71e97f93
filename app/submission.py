"""A request becomes an admitted job."""

from app.contract.catalogue import Catalogue
from app.contract.generation import GenerationRequest
from app.contract.job import JobRecord
from app.contract.job_store import JobStore


async def submit(request: GenerationRequest, catalogue: Catalogue, store: JobStore) -> JobRecord:
    """Looks the model up, fills in its defaults, draws the seed and admits the job.

    Raises ModelNotFound, InvalidField, QueueFull or RedisUnavailable.
    """
    generation = catalogue.find(request.model).fill(request)
    return await store.admit(generation)
