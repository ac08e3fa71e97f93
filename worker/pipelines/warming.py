import inspect
import logging
from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from app.contract.catalogue import Model
from app.contract.errors import ModelUnloadable
from app.contract.generation import Generation, GenerationRequest
from worker.engine import Engine, EngineError
from worker.pipelines.arguments import PromptReader, arguments
from worker.pipelines.loading import load
from worker.pipelines.memory import Peak, modules_of, weight_bytes
from worker.pipelines.placement import Placement
from worker.pipelines.previews import Previewer, PreviewImpossible, specimen

logger = logging.getLogger(__name__)

WARM_UP_STEPS = 2
WARM_UP_PROMPTS = ("one", "two", "three")  # one alone, then two together


@dataclass(frozen=True)
class WarmModel:
    """A model on the device: its pipelines by scheduler, over one set of weights that the engine has adopted."""

    pipelines: dict[str, DiffusionPipeline]
    engine: Engine
    weight_bytes: int
    working_bytes: int  # that two pictures needed beyond the weights
    pixel_bytes: float  # of what a run needs for each pixel of its pictures
    reader: PromptReader
    previewer: Previewer | None

    @property
    def bytes(self) -> int:
        return self.weight_bytes + self.working_bytes

    def run_bytes(self, generation: Generation) -> int:
        """What a run is expected to need at its peak; nothing on a CPU, where it is not measured."""
        return round(self.pixel_bytes * generation.num_images * generation.width * generation.height)

    def release(self) -> None:
        """Raises ModuleInUse if one of its runs is in flight, as a cancelled one is until its step is over."""
        self.engine.release(next(iter(self.pipelines.values())))


@dataclass(frozen=True)
class LoadedModel:
    """A model in the host's memory: nothing of it is on the device yet, and nobody has had to make room for it."""

    model: Model
    pipelines: dict[str, DiffusionPipeline]
    placement: Placement
    engine: Engine

    @classmethod
    def load(cls, model: Model, placement: Placement, engine: Engine) -> "LoadedModel":
        """Raises ModelUnloadable."""
        return cls(model, load(model, placement.dtype), placement, engine)

    @property
    def pipeline(self) -> DiffusionPipeline:
        return self.pipelines[self.model.defaults.scheduler]

    @property
    def modules(self) -> list[nn.Module]:
        return modules_of(self.pipeline)

    @property
    def bytes(self) -> int:
        return weight_bytes(self.modules)

    def warm(self) -> WarmModel:
        """Moves it to the device and develops pictures together, so that no caller waits for a first meeting.

        Raises ModelUnloadable.
        """
        name = self.model.name
        try:
            self.placement.place(self.modules)
            if self.placement.compiler:
                self._compile()
            self.engine.adopt(self.pipeline, name)
            try:
                return self._developed()
            except BaseException:
                self.engine.release(self.pipeline)
                raise
        except EngineError:
            raise
        except Exception as error:  # whatever it is that a pipeline or a device raises, the others go on
            raise ModelUnloadable(f"The model {name} was loaded and cannot be warmed: {error}") from error

    def _compile(self) -> None:
        """Runs the pipeline before the engine has it, in whose thread compiling would hold up everybody's runs.

        With guidance and without, because one row is compiled apart from several; and not square, because sides that
        are equal once are taken for equal always.
        """
        multiple, height = self.model.limits.size_multiple, self.model.defaults.height
        flat = max(self.model.limits.min_size, height // 2 // multiple * multiple)
        for guidance_scale in (None, 1.0):
            request = GenerationRequest(prompt="one", height=flat, num_inference_steps=1, guidance_scale=guidance_scale)
            self.pipeline(**arguments(self.pipeline, self.model.fill(request)))

    def _developed(self) -> WarmModel:
        trials = [
            Trial(self.model.fill(GenerationRequest(prompt=prompt, seed=seed, num_inference_steps=WARM_UP_STEPS)))
            for seed, prompt in enumerate(WARM_UP_PROMPTS)
        ]
        first, one = self._develop(trials[:1])
        others, two = self._develop(trials[1:])
        pixels = self.model.defaults.width * self.model.defaults.height
        return WarmModel(
            self.pipelines,
            self.engine,
            self.bytes,
            two,
            max(0, two - one) / pixels,
            PromptReader(self.pipeline, self.model.name),
            self._previewer(trials, torch.cat([first, others]).cpu()),
        )

    def _develop(self, trials: Sequence["Trial"]) -> tuple[Tensor, int]:
        """Returns the pictures, and the bytes that they needed together."""
        peak = Peak(self.placement.device)
        runs = [self.engine.submit(self.pipeline, **trial.arguments(self.pipeline)) for trial in trials]
        wait(runs)  # for all, before one that failed has the model released
        return torch.cat([run.result().images for run in runs]), peak.bytes()

    def _previewer(self, trials: Sequence["Trial"], images: Tensor) -> Previewer | None:
        try:
            return Previewer.fit(torch.cat([trial.final_latents() for trial in trials]), images)
        except PreviewImpossible as reason:
            logger.warning("%s has no previews: %s.", self.model.name, str(reason))  # an error would hold the model
            return None


@dataclass
class Trial:
    """A warm-up run that is given noise for its latents at each step, so that what it decodes is of all colours."""

    generation: Generation
    _latents: Tensor | None = field(default=None, init=False)
    _reason: str = field(default="it calls nobody back after a step", init=False)

    def arguments(self, pipeline: DiffusionPipeline) -> dict[str, Any]:
        asked = arguments(pipeline, self.generation)
        if "callback_on_step_end" in inspect.signature(pipeline.__call__).parameters:
            asked["callback_on_step_end"] = self._replace
        return asked

    def final_latents(self) -> Tensor:
        """Raises PreviewImpossible."""
        if self._latents is None:
            raise PreviewImpossible(self._reason)
        return self._latents.cpu()

    def _replace(self, _pipeline: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        try:
            own = self.generation
            self._latents = specimen(tensors["latents"], own.width, own.height, own.seed)
        except PreviewImpossible as reason:
            self._reason = str(reason)
            return {}
        return {"latents": self._latents}
