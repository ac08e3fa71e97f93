"""A request becomes an admitted job."""

import hashlib
import uuid
from dataclasses import dataclass, field

from obstore.exceptions import BaseError as StorageError

from app.contract import logs, names
from app.contract.catalogue import Catalogue
from app.contract.errors import InvalidField, QueueFull, ShareFull, StorageUnavailable
from app.contract.generation import Generation, GenerationRequest, seed_of
from app.contract.job import JobRecord
from app.contract.job_store import JobStore
from app.contract.limits import Quota
from app.contract.storage import Storage
from app.courier.guard import EgressRefused, Guard
from app.pictures import Files
from app.pictures.intake import Intake, Taken

NO_FILES = Files()


@dataclass(frozen=True)
class Submission:
    """The way that every request takes, whichever route it came by."""

    catalogue: Catalogue
    store: JobStore
    storage: Storage
    intake: Intake
    quota: Quota | None = None
    guard: Guard = field(default_factory=Guard)

    async def submit(
        self, request: GenerationRequest, *, tenant: str, job_id: str | None = None, files: Files = NO_FILES
    ) -> JobRecord:
        """Looks the model up, fills in its defaults, draws the seed and admits the job; without an id it gets one.

        The pictures that came with it are stored before it is admitted: a job that can start has them. Raises
        ModelNotFound, InvalidField, JobConflict, QueueFull, ShareFull, RedisUnavailable or StorageUnavailable.
        """
        if job_id and request.seed is None:
            request = request.model_copy(update={"seed": seed_of(job_id)})
        model = self.catalogue.find(request.model)
        self._check_webhook(request)
        taken = await self.intake.take(request, files)
        generation = model.fill(request, taken.pictures)
        if not taken.contents:
            return await self._admit(generation, job_id, tenant)
        return await self._submit_with(taken, generation, tenant=tenant, job_id=job_id)

    def _check_webhook(self, request: GenerationRequest) -> None:
        """What the name stands for is judged when it is called."""
        try:
            if request.webhook:
                self.guard.check(request.webhook.url)
        except EgressRefused as refused:
            raise InvalidField("webhook.url", str(refused)) from None

    async def _submit_with(self, taken: Taken, generation: Generation, *, tenant: str, job_id: str | None) -> JobRecord:
        """Stores the pictures of a job that would be admitted, and of no other; an existing job's are never touched."""
        new_id = job_id or uuid.uuid4().hex
        if there := await self.store.foresee(generation, new_id, tenant=tenant, quota=self.quota):
            return there
        keys = await self._store(taken, names.record_id(tenant, new_id))
        try:
            return await self._admit(generation, new_id, tenant)
        except (QueueFull, ShareFull):  # since a moment ago
            if not job_id:  # but a job of the caller's own id may have come the same way, with the same pictures
                await self.storage.delete_async(keys)
            raise

    async def _admit(self, generation: Generation, job_id: str | None, tenant: str) -> JobRecord:
        admitted = await self.store.admit(generation, job_id, tenant=tenant, quota=self.quota)
        logs.note(job_id=admitted.id)
        return admitted

    async def _store(self, taken: Taken, record_id: str) -> list[str]:
        keys = []
        pictures = taken.pictures
        for picture in [*pictures.image, pictures.mask, pictures.control]:
            if picture:
                keys.append(names.input_key(record_id, picture.sha256))
                try:
                    await self.storage.put_async(keys[-1], taken.contents[picture.sha256], picture.content_type)
                except StorageError as error:
                    raise StorageUnavailable("The storage does not take the picture now.") from error
        return keys


def id_for_key(idempotency_key: str, tenant: str) -> str:
    """The id of the job that the tenant submits with this key: the job's record is the key's memory."""
    return hashlib.sha256(f"{tenant}\n{idempotency_key}".encode()).hexdigest()[:32]
