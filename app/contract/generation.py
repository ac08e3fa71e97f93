"""What is asked for: as the caller sends it, and as the worker reads it."""

import hashlib
import secrets
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

PROMPT_MAX_CHARS = 8_000
SEED_MAX = 2**63 - 1
DEADLINE_MAX_S = 86_400
DRAWN_SEED_MAX = 2**32 - 1  # short enough to be read out, exact in every JSON parser


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul_character", "Text holds no NUL character")
    return text


WithoutNul = AfterValidator(_without_nul)
SaidWithoutNul = Field(json_schema_extra={"pattern": "^[^\\u0000]*$"})
Prompt = Annotated[str, StringConstraints(max_length=PROMPT_MAX_CHARS), WithoutNul, SaidWithoutNul]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64), WithoutNul]
MetadataValue = Annotated[str, StringConstraints(max_length=512), WithoutNul, SaidWithoutNul]
Priority = Literal["high", "normal", "low"]
WebhookEvent = Literal["job.succeeded", "job.failed", "job.canceled", "job.expired"]
PictureText = Annotated[str, Field(min_length=1, description="A PNG, JPEG or WEBP: base64, a data URL, or an address.")]


class Output(BaseModel):
    """How the pictures are encoded; `quality` counts for jpeg and webp."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)  # another version may have stored more

    format: Literal["png", "jpeg", "webp"] = "png"
    quality: int = Field(default=90, ge=1, le=100)
    metadata: bool = Field(default=True, description="Whether the file holds the recipe that repeats the picture.")


class OutputRequest(Output):
    """The same, as the caller sends it."""

    model_config = ConfigDict(extra="forbid")


class Lora(BaseModel):
    """A LoRA of the model's, by its name in the catalogue."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = Field(max_length=128)
    scale: float = Field(default=1.0, ge=-4, le=4)


class ControlRequest(BaseModel):
    """A ControlNet of the model's, by its name in the catalogue, and the picture that it follows."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = Field(max_length=128)
    image: PictureText
    scale: float = Field(default=1.0, ge=0, le=4)


class Webhook(BaseModel):
    """Where the end of the job is told."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    url: str = Field(max_length=2048)
    events: list[WebhookEvent] = Field(default_factory=lambda: list(get_args(WebhookEvent)), min_length=1)


class GenerationRequest(BaseModel):
    """The body of `POST /v1/jobs`; what is left out is filled from the model's defaults."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"examples": [{"prompt": "a cat wearing a space helmet", "seed": 7}]},
    )

    model: str | None = Field(default=None, max_length=128)
    prompt: Prompt
    negative_prompt: Prompt = ""
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    num_images: int = Field(default=1, ge=1)
    num_inference_steps: int | None = Field(default=None, ge=1)
    guidance_scale: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    seed: int | None = Field(default=None, ge=0, le=SEED_MAX, description="Picture n has seed + n.")
    scheduler: str | None = Field(default=None, max_length=128)
    image: PictureText | Annotated[list[PictureText], Field(min_length=1, max_length=16)] | None = None
    mask: PictureText | None = Field(default=None, description="White is drawn anew, black stays.")
    strength: float | None = Field(default=None, gt=0, le=1, description="How much of the image is drawn anew.")
    control: ControlRequest | None = None
    loras: list[Lora] = Field(default_factory=list, max_length=8)
    output: OutputRequest = OutputRequest()
    previews: int = Field(default=0, ge=0, le=10, description="Pictures of the picture while it develops.")
    webhook: Webhook | None = None
    priority: Priority = "normal"
    deadline_s: int | None = Field(
        default=None,
        ge=1,
        le=DEADLINE_MAX_S,
        description="A job that has not started so long after it was sent expires.",
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(default_factory=dict, max_length=16)


class Picture(BaseModel):
    """A picture that came with a request, as it was stored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sha256: str
    content_type: str
    width: int
    height: int
    bytes: int


class Mask(Picture):
    """A picture whose white parts are drawn anew; or, as OpenAI's API has it, its transparent parts."""

    is_alpha: bool = False


class Control(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    image: Picture
    scale: float


class Generation(BaseModel):
    """A request with every default filled in and the seed drawn: all that a worker needs to make the same pictures."""

    model_config = ConfigDict(extra="ignore", frozen=True)  # another version may have stored more

    model: str
    prompt: str
    negative_prompt: str
    width: int
    height: int
    num_images: int
    num_inference_steps: int
    guidance_scale: float
    seed: int
    scheduler: str
    image: list[Picture] = Field(default_factory=list)
    mask: Mask | None = None
    strength: float | None = None
    control: Control | None = None
    loras: list[Lora] = Field(default_factory=list)
    output: Output
    previews: int = 0
    webhook: Webhook | None = None
    priority: Priority = "normal"
    deadline_s: int | None = None
    metadata: dict[str, str]

    @property
    def seeds(self) -> list[int]:
        return [(self.seed + n) % (SEED_MAX + 1) for n in range(self.num_images)]


def draw_seed() -> int:
    return secrets.randbelow(DRAWN_SEED_MAX + 1)


def seed_of(job_id: str) -> int:
    """The seed of a job whose caller named the job and no seed: the same each time, so that a repeat asks the same."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4])
