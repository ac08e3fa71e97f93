"""The stream of a request with `stream=true`: partial images while they develop, then the pictures."""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Literal

from obstore.exceptions import BaseError

from app import sse
from app.contract import names
from app.contract.errors import DarkroomError
from app.contract.events import EventType
from app.contract.job import JobRecord
from app.contract.storage import Storage
from app.events import Events
from app.openai.answer import CompletedImage, PartialImage, content_of, text_of, traits_of, warnings_of
from app.openai.failure import Unfulfilled, development_of
from app.openai.request import ImageRequest


@dataclass(frozen=True)
class ImageStream:
    """Tells what happens to a job in the events that OpenAI's clients know."""

    kind: Literal["image_generation", "image_edit"]
    asked: ImageRequest
    record: JobRecord
    events: Events
    storage: Storage

    async def tell(self) -> AsyncGenerator[bytes, None]:
        """Each event as it goes over the wire; what goes wrong is the last one."""
        try:
            async with aclosing(self._develop()) as events:
                async for event in events:
                    yield sse.encode(event.type, event.model_dump_json()) if event else sse.PING
        except (Unfulfilled, DarkroomError) as error:
            kind = "server_error" if error.status >= 500 else "invalid_request_error"
            told = {"message": str(error), "type": kind, "param": None, "code": error.code}
            yield sse.encode("error", json.dumps({"error": told}))

    async def _develop(self) -> AsyncGenerator[PartialImage | CompletedImage | None, None]:
        """Yields None whenever nothing has happened for a while."""
        shown = step = 0
        async with aclosing(self.events.follow(self.record, ping_s=sse.PING_S)) as events:
            async for event in events:
                if event.type == EventType.PING:
                    yield None
                elif event.type == EventType.PREVIEW and event.data["step"] > step:  # a lost worker's job begins again
                    step = event.data["step"]
                    with suppress(FileNotFoundError, BaseError):  # the picture itself is still to come
                        yield await self._partial(step, shown)
                        shown += 1
        record = await self.events.wait_for_end(self.record, 0)
        for index in range(len(development_of(record).images)):
            yield await self._completed(record, index)

    async def _partial(self, step: int, index: int) -> PartialImage:
        content = await self.storage.get(names.preview_key(self.record.record_id, step))
        return PartialImage(
            **traits_of(self.record, self.asked) | {"output_format": "webp"},
            type=f"{self.kind}.partial_image",
            b64_json=text_of(content),
            partial_image_index=index,
            created_at=int(time.time()),
        )

    async def _completed(self, record: JobRecord, index: int) -> CompletedImage:
        image = development_of(record).images[index]
        return CompletedImage(
            **traits_of(record, self.asked),
            type=f"{self.kind}.completed",
            b64_json=text_of(await content_of(image, self.storage)),
            created_at=int(time.time()),
            seed=image.seed,
            job_id=record.id,
            warnings=warnings_of(record, self.asked),
        )
