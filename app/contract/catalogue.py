"""The models that the service offers, their defaults and their limits, read from a models.toml."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.contract.errors import InvalidField, ModelNotFound
from app.contract.generation import Generation, GenerationRequest, draw_seed

EMBEDDED = Path(__file__).with_name("models.toml")


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


class Limits(BaseModel):
    """The largest a request may ask of the model; `size_multiple` divides both sides of a picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_size: int = Field(ge=8)
    max_size: int = Field(ge=8)
    size_multiple: int = Field(default=8, ge=1)
    max_num_images: int = Field(default=4, ge=1)
    max_num_inference_steps: int = Field(default=150, ge=1)
    max_guidance_scale: float = 30.0


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

    @model_validator(mode="after")
    def _offers_its_default_scheduler(self) -> "Model":
        if self.defaults.scheduler not in self.schedulers:
            raise ValueError(
                f"{self.name}: the default scheduler {self.defaults.scheduler} is not among its schedulers"
            )
        return self

    def fill(self, request: GenerationRequest) -> Generation:
        """Fills in the defaults, draws the seed and holds the request to the limits.

        Raises InvalidField.
        """
        asked = request.model_dump(exclude_none=True, exclude={"model", "image", "mask", "control"})
        chosen = {"seed": draw_seed(), **self.defaults.model_dump(), **asked}
        generation = Generation(model=self.name, **chosen)
        self._check(generation)
        return generation

    def _check(self, generation: Generation) -> None:
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
                "scheduler", f"{self.name} has no {generation.scheduler!r}; it has {', '.join(self.schedulers)}."
            )


class Catalogue(BaseModel):
    """All models of the service, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: str
    models: dict[str, Model]

    @classmethod
    def read(cls, path: Path | None = None) -> "Catalogue":
        """Reads a models.toml; a relative `source` that is a folder beside the file becomes its whole path.

        Raises CatalogueUnreadable.
        """
        path = path or EMBEDDED
        try:
            entries = tomllib.loads(path.read_text())
            for name, entry in entries.get("models", {}).items():
                entry["name"] = name
                if (folder := path.parent / entry["source"]).is_dir():
                    entry["source"] = str(folder.resolve())
            return cls.model_validate(entries)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise CatalogueUnreadable(f"The catalogue {path} cannot be read: {error}") from error

    @model_validator(mode="after")
    def _holds_its_default(self) -> "Catalogue":
        if self.default not in self.models:
            raise ValueError(f"the default model {self.default} is not among the models")
        return self

    def find(self, name: str | None) -> Model:
        """The model of this name, or the default one.

        Raises ModelNotFound.
        """
        try:
            return self.models[name or self.default]
        except KeyError:
            raise ModelNotFound(str(name), sorted(self.models)) from None
