"""What is asked for: as the caller sends it, and as the worker reads it."""

import hashlib
import secrets
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

PROMPT_MAX_CHARS = 8_000
SEED_MAX = 2**63 - 1
DEADLINE_MAX_S = 86_400
DRAWN_SEED_MAX = 2**32 - 1  # short enough to be read out, exact in every JSON parser


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul_character", "Text holds no NUL character")
    return text


def _whole(number: object) -> object:
    """JSON knows one kind of number: 2.0 is an integer."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Whole = BeforeValidator(_whole)
Count = Annotated[int, Field(ge=1), Whole]
WithoutNul = AfterValidator(_without_nul)
NO_NUL = "^[^\\u0000]*$"
SaidWithoutNul = Field(json_schema_extra={"pattern": NO_NUL})
Prompt = Annotated[str, StringConstraints(max_length=PROMPT_MAX_CHARS), WithoutNul, SaidWithoutNul]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64), WithoutNul]
MetadataValue = Annotated[str, StringConstraints(max_length=512), WithoutNul, SaidWithoutNul]
Priority = Literal["high", "normal", "low"]
Task = Literal["text-to-image", "image-to-image", "inpainting"]
WebhookEvent = Literal["job.succeeded", "job.failed", "job.canceled", "job.expired"]
PictureText = Annotated[
    str,
    Field(
        min_length=1,
        description="A PNG, JPEG or WEBP: base64, a data URL, or, where the service allows it, an address.",
        json_schema_extra={"format": "picture"},
    ),
]


class Output(BaseModel):
    """How the pictures are encoded; `quality` counts for jpeg and webp."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)  # another version may have stored more

    format: Literal["png", "jpeg", "webp"] = "png"
    quality: Annotated[int, Field(ge=1, le=100), Whole] = 90
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
    image: PictureText | None = Field(default=None, description="Left out only if it comes beside, as a file.")
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
    width: Count | None = None
    height: Count | None = None
    num_images: Count = 1
    num_inference_steps: Count | None = None
    guidance_scale: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    seed: Annotated[int, Field(ge=0, le=SEED_MAX), Whole] | None = Field(
        default=None, description="Picture n has seed + n."
    )
    scheduler: str | None = Field(default=None, max_length=128)
    image: PictureText | Annotated[list[PictureText], Field(min_length=1, max_length=16)] | None = None
    mask: PictureText | None = Field(default=None, description="White is drawn anew, black stays.")
    strength: float | None = Field(default=None, gt=0, le=1, description="How much of the image is drawn anew.")
    control: ControlRequest | None = None
    loras: list[Lora] = Field(default_factory=list, max_length=8)
    output: OutputRequest = OutputRequest()
    previews: Annotated[int, Field(ge=0, le=10), Whole] = Field(
        default=0, description="Pictures of the picture while it develops."
    )
    webhook: Webhook | None = None
    priority: Priority = "normal"
    deadline_s: Annotated[int, Field(ge=1, le=DEADLINE_MAX_S), Whole] | None = Field(
        default=None, description="A job that has not started so long after it was sent expires."
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict,
        max_length=16,
        json_schema_extra={"propertyNames": {"minLength": 1, "maxLength": 64, "pattern": NO_NUL}},
    )


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


class Pictures(BaseModel):
    """The pictures that came with one request."""

    model_config = ConfigDict(frozen=True)

    image: list[Picture] = Field(default_factory=list)
    mask: Mask | None = None
    control: Picture | None = None


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
    def task(self) -> Task:
        if self.mask:
            return "inpainting"
        return "image-to-image" if self.image else "text-to-image"

    @property
    def seeds(self) -> list[int]:
        return [(self.seed + n) % (SEED_MAX + 1) for n in range(self.num_images)]


def draw_seed() -> int:
    return secrets.randbelow(DRAWN_SEED_MAX + 1)


def seed_of(job_id: str) -> int:
    """The seed of a job whose caller named the job and no seed: the same each time, so that a repeat asks the same."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4])
