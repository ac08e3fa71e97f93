"""What OpenAI's clients read."""

from base64 import b64encode
from typing import Any, Literal

from obstore.exceptions import BaseError
from pydantic import BaseModel, Field

from app.contract.errors import ImageNotFound, StorageUnavailable
from app.contract.job import JobRecord, StoredImage
from app.contract.storage import Storage
from app.openai.request import ImageRequest, Quality


class TokenDetails(BaseModel):
    image_tokens: int = 0
    text_tokens: int = 0


class Usage(BaseModel):
    """OpenAI counts tokens; a diffusion model has none, and its clients want the fields."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: TokenDetails = TokenDetails()
    output_tokens_details: TokenDetails = TokenDetails()


class Traits(BaseModel):
    """What answer and events say of the pictures."""

    size: str = Field(description="WIDTHxHEIGHT")
    quality: Quality
    background: Literal["opaque"] = "opaque"
    output_format: Literal["png", "jpeg", "webp"]


class ImageDatum(BaseModel):
    """One picture: its bytes or its address."""

    b64_json: str | None = None
    url: str | None = None
    seed: int


class ImagesAnswer(Traits):
    """The answer of both routes when nothing is streamed."""

    created: int = Field(description="Seconds since 1970.")
    data: list[ImageDatum]
    usage: Usage = Usage()
    job_id: str = Field(description="The same job on the native API: /v1/jobs/{job_id}.")
    warnings: list[str]


class PartialImage(Traits):
    """An event of a stream: the picture while it develops, smaller, as WEBP."""

    type: str
    b64_json: str
    partial_image_index: int
    created_at: int


class CompletedImage(Traits):
    """An event of a stream: one picture, done; each of several has its own."""

    type: str
    b64_json: str
    created_at: int
    usage: Usage = Usage()
    seed: int
    job_id: str
    warnings: list[str]


def traits_of(record: JobRecord, asked: ImageRequest) -> dict[str, Any]:
    generation = record.generation
    return {
        "size": f"{generation.width}x{generation.height}",
        "quality": asked.level,
        "output_format": generation.output.format,
    }


def warnings_of(record: JobRecord, asked: ImageRequest) -> list[str]:
    used, sent = len(record.generation.image), len(asked.pictures)
    unused = [f"image: {record.generation.model} looks at {used} of the {sent} pictures."] if used < sent else []
    return asked.without_effect + unused + (record.development.warnings if record.development else [])


def text_of(picture: bytes) -> str:
    return b64encode(picture).decode()


async def content_of(image: StoredImage, storage: Storage) -> bytes:
    """Raises ImageNotFound and StorageUnavailable."""
    try:
        return await storage.get(image.key)
    except FileNotFoundError:
        raise ImageNotFound("The picture is no longer kept.") from None
    except BaseError as error:
        raise StorageUnavailable("The storage does not give the picture now.") from error
