from dataclasses import dataclass, replace
from typing import Literal

from fastapi import Response

from app.contract.job import JobRecord
from app.contract.links import Links
from app.contract.storage import Storage
from app.events import Events
from app.openai.answer import ImageDatum, ImagesAnswer, content_of, text_of, traits_of, warnings_of
from app.openai.failure import ClientGone, development_of
from app.openai.request import ImageRequest
from app.openai.stream import ImageStream
from app.openai.visit import Visit
from app.pictures import Files
from app.sse import EventStream
from app.submission import Submission
from app.waiting import while_connected

NO_FILES = Files()


@dataclass(frozen=True)
class Desk:
    """Takes what OpenAI's clients ask for, has it developed, and hands the pictures out."""

    submission: Submission
    events: Events
    storage: Storage
    links: Links
    patience_s: float
    public_url: str | None

    async def serve(
        self,
        kind: Literal["image_generation", "image_edit"],
        asked: ImageRequest,
        visit: Visit,
        files: Files = NO_FILES,
    ) -> Response:
        """Answers when the job has ended, or at once with a stream of what happens to it.

        Raises what `Submission.submit` raises, Unfulfilled and ClientGone.
        """
        model = self.submission.catalogue.find(asked.model)
        job_id = await visit.job_id(asked, files)
        used = replace(files, image=files.image[: model.limits.max_input_images])
        record = await self.submission.submit(asked.asks_of(model), tenant=visit.tenant, job_id=job_id, files=used)
        if asked.stream:
            return EventStream(ImageStream(kind, asked, record, self.events, self.storage).tell())
        ended = await while_connected(visit.request, self.events.wait_for_end(record, self.patience_s))
        if ended is None:
            raise ClientGone
        answer = await self._answer(ended, asked, self.public_url or str(visit.request.base_url))
        return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")

    async def _answer(self, record: JobRecord, asked: ImageRequest, base_url: str) -> ImagesAnswer:
        development = development_of(record)
        if asked.response_format == "url":
            paths = [f"/v1/jobs/{record.id}/images/{n}" for n in range(len(development.images))]
            where = [{"url": base_url.rstrip("/") + self.links.sign(path, record.tenant)} for path in paths]
        else:
            where = [{"b64_json": text_of(await content_of(image, self.storage))} for image in development.images]
        return ImagesAnswer(
            **traits_of(record, asked),
            created=int((record.ended_at or record.created_at).timestamp()),
            data=[ImageDatum(**at, seed=image.seed) for at, image in zip(where, development.images, strict=True)],
            job_id=record.id,
            warnings=warnings_of(record, asked),
        )
