"""The models that the service offers, their defaults and their limits, read from a models.toml."""

import tomllib
from collections.abc import Iterable
from math import nextafter
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.contract import names
from app.contract.adapters import ControlNetSource, LoraSource
from app.contract.errors import InvalidField, ModelNotFound
from app.contract.generation import Control, Generation, GenerationRequest, Picture, Pictures, Task, draw_seed

EMBEDDED = Path(__file__).with_name("models.toml")
NO_PICTURES = Pictures()


class CatalogueUnreadable(Exception):
    """Raised when a models.toml is not there or does not hold what it has to."""


class Defaults(BaseModel):
    """What a request that leaves a field out gets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: str
    strength: float | None = Field(default=None, gt=0, le=1, description="Of image-to-image, where there is such.")


class Limits(BaseModel):
    """The largest a request may ask of the model; `size_multiple` divides both sides of a picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_size: int = Field(ge=8)
    max_size: int = Field(ge=8)
    size_multiple: int = Field(default=8, ge=1)
    max_num_images: int = Field(default=4, ge=1)
    max_input_images: int = Field(default=1, ge=1, description="How many of a request's images the model looks at.")
    max_num_inference_steps: int = Field(default=150, ge=1)
    max_guidance_scale: float = 30.0

    def fit(self, width: float, height: float) -> tuple[int, int]:
        """The nearest size that may be asked for, in about the same shape."""
        scale = min(1.0, self.max_size / max(width, height))
        scale = max(scale, self.min_size / min(width, height))
        multiple = self.size_multiple
        least, most = -(-self.min_size // multiple), self.max_size // multiple
        wide, high = (multiple * min(max(round(side * scale / multiple), least), most) for side in (width, height))
        return wide, high


class Model(BaseModel):
    """One entry of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    source: str
    revision: str | None = None
    defaults: Defaults
    limits: Limits
    schedulers: list[str]
    tasks: list[Task] = Field(default=["text-to-image"], min_length=1)
    loras: dict[str, LoraSource] = Field(default_factory=dict)
    controlnets: dict[str, ControlNetSource] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Model":
        if self.defaults.scheduler not in self.schedulers:
            raise ValueError(
                f"{self.name}: the default scheduler {self.defaults.scheduler} is not among its schedulers"
            )
        for name in self.controlnets:
            if more := set(self.tasks_of(name)) - set(self.tasks):
                raise ValueError(
                    f"{self.name}: the ControlNet {name} has tasks that the model has not: {_listed(more)}"
                )
        return self

    def tasks_of(self, controlnet: str | None) -> list[Task]:
        """In which tasks the ControlNet can be followed; without one, all that the model does."""
        return (self.controlnets[controlnet].tasks if controlnet else None) or self.tasks

    def fill(self, request: GenerationRequest, pictures: Pictures = NO_PICTURES) -> Generation:
        """Fills in the defaults, draws the seed and holds the request to what the model can do.

        `pictures` are the request's own. Raises InvalidField.
        """
        asked = request.model_dump(exclude_none=True, exclude={"model", "image", "mask", "control"})
        defaults = self.defaults.model_dump(exclude={"strength"}) | self._size_and_strength(request, pictures)
        control = None
        if request.control and pictures.control:
            named = request.control.model_dump(include={"name", "scale"})
            control = Control(image=pictures.control, **named)
        chosen = {"seed": draw_seed(), **defaults, **asked}
        if chosen.get("strength"):
            chosen["strength"] = max(chosen["strength"], _one_step_of(chosen["num_inference_steps"]))
        generation = Generation(model=self.name, image=pictures.image, mask=pictures.mask, control=control, **chosen)
        self._check_limits(generation)
        self._check_task(generation)
        self._check_strength(generation, request)
        self._check_adapters(generation)
        return generation

    def _size_and_strength(self, request: GenerationRequest, pictures: Pictures) -> dict[str, Any]:
        """What is left out follows the first picture, and what is masked is drawn anew wholly."""
        chosen: dict[str, Any] = {}
        if pictures.image:
            chosen["strength"] = self.defaults.strength and (1.0 if pictures.mask else self.defaults.strength)
        if seen := next(iter(pictures.image), pictures.control):
            chosen["width"], chosen["height"] = self._size_like(seen, request)
        return chosen

    def _size_like(self, picture: Picture, request: GenerationRequest) -> tuple[int, int]:
        width, height = float(picture.width), float(picture.height)
        if request.width:
            width, height = float(request.width), height * request.width / width
        elif request.height:
            width, height = width * request.height / height, float(request.height)
        return self.limits.fit(width, height)

    def _check_limits(self, generation: Generation) -> None:
        limits = self.limits
        for field in ("width", "height"):
            size = getattr(generation, field)
            if not limits.min_size <= size <= limits.max_size or size % limits.size_multiple:
                raise InvalidField(
                    field,
                    f"{self.name} draws sizes from {limits.min_size} to {limits.max_size} pixels "
                    f"in multiples of {limits.size_multiple}, not {size}.",
                )
        for field in ("num_images", "num_inference_steps", "guidance_scale"):
            value, most = getattr(generation, field), getattr(limits, f"max_{field}")
            if value > most:
                raise InvalidField(field, f"{self.name} takes at most {most}, not {value}.")
        if generation.scheduler not in self.schedulers:
            raise InvalidField(
                "scheduler", f"{self.name} has no {generation.scheduler!r}; it has {_listed(self.schedulers)}."
            )

    def _check_task(self, generation: Generation) -> None:
        if generation.mask and not generation.image:
            raise InvalidField("mask", "A mask says which part of an image is drawn anew, and there is no image.")
        if len(generation.image) > (most := self.limits.max_input_images):
            raise InvalidField(
                "image", f"{self.name} looks at {most} of a request's images, not {len(generation.image)}."
            )
        if (mask := generation.mask) and _size(mask) != _size(generation.image[0]):
            sizes = f"{_size(mask)}, and its image {_size(generation.image[0])}"
            raise InvalidField("mask", f"The mask has {sizes} pixels; they have to be of one size.")
        if generation.task not in self.tasks:
            field = "mask" if generation.mask else "image"
            raise InvalidField(field, f"{self.name} does {_listed(self.tasks)}, not {generation.task}.")

    def _check_strength(self, generation: Generation, request: GenerationRequest) -> None:
        if request.strength and not (generation.image and self.defaults.strength):
            reason = f"{self.name} takes none." if generation.image else "It goes with an image."
            raise InvalidField("strength", reason)

    def _check_adapters(self, generation: Generation) -> None:
        worn = [lora.name for lora in generation.loras]
        for n, name in enumerate(worn):
            if name not in self.loras:
                raise InvalidField(f"loras.{n}.name", _unknown(self.name, "LoRA", name, self.loras))
            if name in worn[:n]:
                raise InvalidField(f"loras.{n}.name", f"{name!r} is asked for twice.")
        if not (control := generation.control):
            return
        if control.name not in self.controlnets:
            raise InvalidField("control.name", _unknown(self.name, "ControlNet", control.name, self.controlnets))
        if generation.task not in (tasks := self.tasks_of(control.name)):
            raise InvalidField(
                "control.name", f"{control.name} is followed in {_listed(tasks)}, not {generation.task}."
            )


def _one_step_of(num_inference_steps: int) -> float:
    """The least strength that leaves a step: pipelines round down, and fail where there is none."""
    return min(1.0, nextafter(1 / num_inference_steps, 2))


def _size(picture: Picture) -> str:
    return f"{picture.width} x {picture.height}"


def _unknown(model: str, kind: str, name: str, known: Iterable[str]) -> str:
    return f"{model} has no {kind} {name!r}; it has {_listed(known)}."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


class Catalogue(BaseModel):
    """All models of the service, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: str
    models: dict[str, Model]

    @classmethod
    def read(cls, path: Path | None = None) -> "Catalogue":
        """Reads a models.toml; a relative `source` that is there beside the file becomes its whole path.

        Raises CatalogueUnreadable.
        """
        path = path or EMBEDDED
        try:
            entries = tomllib.loads(path.read_text())
            for name, entry in entries.get("models", {}).items():
                entry["name"] = name
                for each in (entry, *entry.get("loras", {}).values(), *entry.get("controlnets", {}).values()):
                    if (beside := path.parent / each["source"]).exists():
                        each["source"] = str(beside.resolve())
            return cls.model_validate(entries)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise CatalogueUnreadable(f"The catalogue {path} cannot be read: {error}") from error

    @model_validator(mode="after")
    def _holds_its_default(self) -> "Catalogue":
        if self.default not in self.models:
            raise ValueError(f"the default model {self.default} is not among the models")
        if names.DELIVERIES in self.models:
            raise ValueError(f"no model can be called {names.DELIVERIES}: the courier's queue is")
        return self

    def find(self, name: str | None) -> Model:
        """The model of this name, or the default one.

        Raises ModelNotFound.
        """
        try:
            return self.models[name or self.default]
        except KeyError:
            raise ModelNotFound(str(name), sorted(self.models)) from None
