import hashlib
from contextlib import AsyncExitStack
from dataclasses import dataclass

from fastapi import Request

from app.openai.attendance import Attendance
from app.openai.request import ImageRequest
from app.pictures import Files
from app.submission import id_for_key


@dataclass(frozen=True)
class Visit:
    """One coming of a request; an SDK's retry is another visit for the same job."""

    request: Request
    tenant: str
    key: str | None
    is_retry: bool
    attendance: Attendance
    until_answered: AsyncExitStack

    async def job_id(self, asked: ImageRequest, files: Files) -> str:
        """The id of the job that answers; one that a key names stays even when nobody waits for it."""
        if self.key:
            return id_for_key(self.key, self.tenant)
        attending = self.attendance.job_for(_digest(asked, files), tenant=self.tenant, is_retry=self.is_retry)
        return await self.until_answered.enter_async_context(attending)


def _digest(asked: ImageRequest, files: Files) -> bytes:
    """Of what is asked, not of how it came: a form that is sent again has another boundary."""
    uploads = [*files.image, *([files.mask] if files.mask else [])]
    pictures = [hashlib.sha256(upload.content).digest() for upload in uploads]
    return asked.model_dump_json(exclude={"image", "images", "mask"}).encode() + b"".join(pictures)
