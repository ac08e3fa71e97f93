"""What is asked for: as the caller sends it, and as the worker reads it."""

import hashlib
import secrets
from typing import Annotated, Literal

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
Prompt = Annotated[str, StringConstraints(max_length=PROMPT_MAX_CHARS), WithoutNul]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64), WithoutNul]
MetadataValue = Annotated[str, StringConstraints(max_length=512), WithoutNul]
Priority = Literal["high", "normal", "low"]


class Output(BaseModel):
    """How the pictures are encoded; `quality` counts for jpeg and webp."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)  # another version may have stored more

    format: Literal["png", "jpeg", "webp"] = "png"
    quality: int = Field(default=90, ge=1, le=100)


class OutputRequest(Output):
    """The same, as the caller sends it."""

    model_config = ConfigDict(extra="forbid")


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
    output: OutputRequest = OutputRequest()
    priority: Priority = "normal"
    deadline_s: int | None = Field(
        default=None,
        ge=1,
        le=DEADLINE_MAX_S,
        description="A job that has not started so long after it was sent expires.",
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(default_factory=dict, max_length=16)


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
    output: Output
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
