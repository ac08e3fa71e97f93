"""What OpenAI's clients send, and the job that it asks for."""

import json
import re
from typing import Annotated, Any, Literal

from fastapi import UploadFile
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from app.contract.catalogue import Model
from app.contract.generation import SEED_MAX, Count, GenerationRequest, Lora, MetadataValue, Prompt, Whole

Quality = Literal["low", "medium", "high", "xhigh", "max"]
AskedQuality = Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"]
STEPS: dict[Quality, float] = {"low": 0.5, "medium": 1.0, "high": 1.5, "xhigh": 2.0, "max": 3.0}  # times the default
SYNONYMS: dict[str, Quality] = {"auto": "medium", "standard": "medium", "hd": "high"}
WITHOUT_EFFECT = ("moderation", "style", "complexity", "input_fidelity")
FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
Uploads = Annotated[list[UploadFile], Field(max_length=16)]
SIZE = re.compile("^(auto|[1-9][0-9]{1,4}x[1-9][0-9]{1,4})$")


def _is_size(text: str) -> str:
    if not SIZE.fullmatch(text):
        raise PydanticCustomError("size", "A size is `auto`, or a width and a height as in 512x512")
    return text


class ImageRequest(BaseModel):
    """The body of `POST /v1/images/generations`: OpenAI's fields, and the names that its clones gave to the rest."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"examples": [{"prompt": "a cat wearing a space helmet", "size": "auto", "n": 1}]},
    )

    prompt: Prompt
    model: Annotated[str, Field(max_length=128)] | None = None
    n: Annotated[int, Field(ge=1, le=10), Whole] | None = None
    size: Annotated[str, AfterValidator(_is_size), Field(json_schema_extra={"pattern": SIZE.pattern})] | None = Field(
        default=None, description="`auto` or WIDTHxHEIGHT."
    )
    quality: AskedQuality | None = Field(
        default=None, description="How many steps: `medium` takes the model's default, `low` half of it."
    )
    background: Literal["opaque", "auto"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100), Whole] | None = Field(
        default=None, description="The quality of a jpeg or webp."
    )
    response_format: Literal["b64_json", "url"] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3), Whole] | None = Field(
        default=None, description="Pictures of the picture while it develops, in a stream."
    )
    user: MetadataValue | None = Field(default=None, description="Kept in the job's metadata.")
    safety_identifier: MetadataValue | None = Field(default=None, description="Kept in the job's metadata.")
    moderation: Literal["low", "auto"] | None = Field(default=None, description="Without effect.")
    style: Literal["vivid", "natural"] | None = Field(default=None, description="Without effect.")
    complexity: Literal["low", "medium", "high"] | None = Field(default=None, description="Without effect.")

    negative_prompt: Prompt | None = None
    num_inference_steps: Count | None = Field(default=None, description="Overrules `quality`.")
    guidance_scale: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    seed: Annotated[int, Field(ge=0, le=SEED_MAX), Whole] | None = None
    scheduler: Annotated[str, Field(max_length=128)] | None = None
    loras: Annotated[list[Lora], Field(max_length=8)] | None = None

    @property
    def level(self) -> Quality:
        """The quality by the name that the answer tells."""
        asked = self.quality or "auto"
        return SYNONYMS.get(asked) or asked  # type: ignore[return-value]  # the synonyms are all that is no Quality

    @property
    def without_effect(self) -> list[str]:
        return [f"{name}: has no effect." for name in WITHOUT_EFFECT if getattr(self, name, None) is not None]

    @property
    def pictures(self) -> list[UploadFile]:
        return []

    def asks_of(self, model: Model) -> GenerationRequest:
        """The job that does what is asked for; what is left out stays out, for the model's defaults."""
        same = ("prompt", "negative_prompt", "guidance_scale", "seed", "scheduler", "loras", "strength")
        quality = None if self.output_compression is None else max(1, self.output_compression)
        asked = {
            **{name: getattr(self, name, None) for name in same},
            **self._size(),
            "model": model.name,
            "num_images": self.n,
            "num_inference_steps": self.num_inference_steps or self._steps(model),
            "output": _given({"format": self.output_format, "quality": quality}),
            "previews": self.partial_images if self.stream else None,
            "metadata": _given({"user": self.user, "safety_identifier": self.safety_identifier}),
        }
        return GenerationRequest.model_validate(_given(asked))

    def _size(self) -> dict[str, int]:
        if self.size in (None, "auto"):
            return {}
        width, height = self.size.split("x")
        return {"width": int(width), "height": int(height)}

    def _steps(self, model: Model) -> int:
        wanted = round(model.defaults.num_inference_steps * STEPS[self.level])
        return min(max(wanted, 1), model.limits.max_num_inference_steps)


def _say_one_name(schema: dict[str, Any]) -> None:
    del schema["properties"]["image[]"]
    schema["required"] = ["image"]


class EditRequest(ImageRequest):
    """The form of `POST /v1/images/edits`: its texts are read as what they say."""

    model_config = ConfigDict(strict=False, json_schema_extra=_say_one_name)

    prompt: Prompt = ""  # in a form, an empty text is none
    image: Annotated[Uploads, WithJsonSchema(FILE)] = Field(
        default_factory=list, description="PNG, JPEG or WEBP; several are parts of this name, or of `image[]`."
    )
    images: Uploads = Field(default_factory=list, alias="image[]")
    mask: UploadFile | None = Field(default=None, description="Its transparent parts are drawn anew.")
    input_fidelity: Literal["high", "low"] | None = Field(default=None, description="Without effect.")
    strength: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="How much of the image is drawn anew."
    )

    @field_validator("loras", mode="before")
    @classmethod
    def _read_json(cls, texts: list[str]) -> Any:
        """A form carries objects as JSON texts: one for each, or one for all."""
        read = [json.loads(text) for text in texts]
        return [each for part in read for each in (part if isinstance(part, list) else [part])]

    @property
    def pictures(self) -> list[UploadFile]:
        return self.image + self.images


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
