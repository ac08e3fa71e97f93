import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from app.contract.errors import InvalidField
from app.contract.generation import GenerationRequest, Mask, Picture, Pictures
from app.contract.settings import Settings
from app.courier.guard import Guard
from app.pictures import address, text
from app.pictures.anatomy import PictureRefused
from app.pictures.inspection import Inspected, PictureLimits, inspect
from app.pictures.upload import Files, Upload

Source = str | Upload


@dataclass(frozen=True)
class Taken:
    """A request's pictures, and the bytes of each by its digest."""

    pictures: Pictures
    contents: Mapping[str, bytes]


@dataclass(frozen=True)
class Intake:
    """Takes the pictures of a request, in whichever form they came; without a guard, none by its address."""

    limits: PictureLimits
    guard: Guard | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        limits = PictureLimits(settings.max_picture_bytes, settings.max_picture_pixels, settings.max_picture_side)
        return cls(limits, Guard.of(settings) if settings.picture_urls else None)

    async def take(self, request: GenerationRequest, files: Files) -> Taken:
        """Raises InvalidField, which names the picture that is refused."""
        found = {field: await self._inspected(field, source) for field, source in _sources(request, files).items()}
        if files.mask_is_alpha and "mask" in found and not found["mask"].has_alpha:
            raise InvalidField("mask", "The mask's transparent parts are drawn anew, and it has no alpha channel.")
        described = {field: _described(each) for field, each in found.items()}
        mask = described.get("mask")
        pictures = Pictures(
            image=[each for field, each in described.items() if field.startswith("image")],
            mask=Mask(**mask.model_dump(), is_alpha=files.mask_is_alpha) if mask else None,
            control=described.get("control.image"),
        )
        return Taken(pictures, {each.sha256: each.content for each in found.values()})

    async def _inspected(self, field: str, source: Source) -> Inspected:
        try:
            if isinstance(source, str) and text.is_address(source):
                source = await self._fetched(source)
            return await asyncio.to_thread(self._read, source)
        except PictureRefused as refused:
            raise InvalidField(field, f"{field}: {refused}") from None

    async def _fetched(self, url: str) -> Upload:
        if self.guard is None:
            raise PictureRefused(
                "Pictures are not fetched by their address here (DARKROOM_PICTURE_URLS is off); "
                "send the picture itself, as base64 or as a file."
            )
        return await address.fetch(url, self.guard, self.limits)

    def _read(self, source: Source) -> Inspected:
        upload = text.decode(source, self.limits) if isinstance(source, str) else source
        return inspect(upload, self.limits)


def _described(inspected: Inspected) -> Picture:
    return Picture(
        sha256=inspected.sha256,
        content_type=inspected.content_type,
        width=inspected.width,
        height=inspected.height,
        bytes=len(inspected.content),
    )


def _sources(request: GenerationRequest, files: Files) -> dict[str, Source]:
    """Every picture by the path of its field; each field may come in the request or beside it, and not in both."""
    if files.control_image and not request.control:
        raise InvalidField("control", "The picture is there, and not the name of the ControlNet that follows it.")
    control_image = request.control.image if request.control else None
    if request.control and not (control_image or files.control_image):
        raise InvalidField("control.image", "The ControlNet follows a picture, and there is none.")
    sources: dict[str, Source] = {}
    fields: list[tuple[str, Source | Sequence[Source] | None, Upload | Sequence[Upload] | None]] = [
        ("image", request.image, files.image),
        ("mask", request.mask, files.mask),
        ("control.image", control_image, files.control_image),
    ]
    for field, within, beside in fields:
        if within and beside:
            raise InvalidField(field, "The picture came twice: in the request and as a file.")
        sent = within or beside
        if isinstance(sent, str | Upload):
            sources[field] = sent
        elif sent:
            sources |= {field if len(sent) == 1 else f"{field}.{n}": each for n, each in enumerate(sent)}
    return sources
