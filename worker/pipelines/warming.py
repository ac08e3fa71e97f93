import logging
from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import dataclass

import torch
from torch import Tensor

from app.contract.catalogue import Model
from app.contract.errors import ModelUnloadable
from app.contract.generation import Generation
from worker.engine import Engine, EngineError
from worker.pipelines.arguments import PromptReader, arguments
from worker.pipelines.catalogue_loras import CatalogueLoras
from worker.pipelines.loading import load
from worker.pipelines.memory import Peak, weight_bytes
from worker.pipelines.placement import Placement
from worker.pipelines.previews import Previewer, PreviewImpossible
from worker.pipelines.task_pipelines import TaskPipelines
from worker.pipelines.trial import Trial

logger = logging.getLogger(__name__)

LORA_SHARE = 0.25  # of the model's own weights; the least recently worn ones give way
WARM_UP_STEPS = 2
WARM_UP_PROMPTS = ("one", "two", "three")  # one alone, then two together


@dataclass(frozen=True)
class WarmModel:
    """A model on the device: its pipelines and LoRAs, over one set of weights that the engine has adopted."""

    pipelines: TaskPipelines
    loras: CatalogueLoras
    engine: Engine
    weight_bytes: int  # with the room for LoRAs
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
        _release(self.engine, self.pipelines)


@dataclass(frozen=True)
class LoadedModel:
    """A model in the host's memory: nothing of it is on the device yet, and nobody has had to make room for it."""

    model: Model
    pipelines: TaskPipelines
    placement: Placement
    engine: Engine

    @classmethod
    def load(cls, model: Model, placement: Placement, engine: Engine) -> "LoadedModel":
        """Raises ModelUnloadable."""
        return cls(model, load(model, placement.dtype), placement, engine)

    @property
    def bytes(self) -> int:
        return weight_bytes(self.pipelines.modules) + self.lora_bytes

    @property
    def lora_bytes(self) -> int:
        """The room for the LoRAs that are loaded at one time."""
        return round(LORA_SHARE * weight_bytes(self.pipelines.modules)) if self.model.loras else 0

    def warm(self) -> WarmModel:
        """Moves it to the device and develops pictures together, so that no caller waits for a first meeting.

        All that the catalogue promises of the model is tried. Raises ModelUnloadable.
        """
        name = self.model.name
        try:
            self.placement.place(self.pipelines.modules)
            if self.placement.compiler:
                self._compile()
            try:
                for part in self.pipelines.adoptable:
                    self.engine.adopt(part, name)
                return self._developed()
            except BaseException:
                _release(self.engine, self.pipelines)
                raise
        except EngineError:
            raise
        except Exception as error:  # whatever it is that a pipeline or a device raises, the others go on
            raise ModelUnloadable(f"The model {name} was loaded and cannot be warmed: {error}") from error

    def _compile(self) -> None:
        """Runs the pipelines before the engine has them, in whose thread compiling would hold up everybody's runs.

        With guidance and without, because one row is compiled apart from several; and not square, because sides that
        are equal once are taken for equal always.
        """
        multiple, height = self.model.limits.size_multiple, self.model.defaults.height
        flat = max(self.model.limits.min_size, height // 2 // multiple * multiple)
        for task, controlnet in self.pipelines.promised:
            for guidance_scale in (None, 1.0):
                asked = {"prompt": "one", "height": flat, "num_inference_steps": 1, "guidance_scale": guidance_scale}
                trial = Trial.of(self.model, task, controlnet, **asked)
                pipeline = self.pipelines.of(trial.generation)
                pipeline(**arguments(pipeline, trial.generation, trial.inputs))

    def _developed(self) -> WarmModel:
        usual, *others = self.pipelines.promised
        trials = [
            Trial.of(self.model, *usual, prompt=prompt, seed=seed, num_inference_steps=WARM_UP_STEPS)
            for seed, prompt in enumerate(WARM_UP_PROMPTS)
        ]
        first, one = self._develop(trials[:1])
        later, two = self._develop(trials[1:])
        self._develop([Trial.of(self.model, *each, prompt="one", seed=0, num_inference_steps=1) for each in others])
        pixels = self.model.defaults.width * self.model.defaults.height
        return WarmModel(
            self.pipelines,
            CatalogueLoras(self.model, self.pipelines.own, self.lora_bytes),
            self.engine,
            self.bytes,
            two,
            max(0, two - one) / pixels,
            PromptReader(self.pipelines.own, self.model.name),
            self._previewer(trials, torch.cat([first, later]).cpu()),
        )

    def _develop(self, trials: Sequence[Trial]) -> tuple[Tensor, int]:
        """Returns the pictures, and the bytes that they needed together."""
        peak = Peak(self.placement.device)
        pipelines = [self.pipelines.of(trial.generation) for trial in trials]
        runs = [
            self.engine.submit(pipeline, **trial.arguments(pipeline))
            for trial, pipeline in zip(trials, pipelines, strict=True)
        ]
        wait(runs)  # for all, before one that failed has the model released
        images = [run.result().images for run in runs]
        return torch.cat(images) if images else torch.empty(0), peak.bytes()

    def _previewer(self, trials: Sequence["Trial"], images: Tensor) -> Previewer | None:
        try:
            return Previewer.fit(torch.cat([trial.final_latents() for trial in trials]), images)
        except PreviewImpossible as reason:
            logger.warning("%s has no previews: %s.", self.model.name, str(reason))  # an error would hold the model
            return None


def _release(engine: Engine, pipelines: TaskPipelines) -> None:
    for part in pipelines.adoptable:
        engine.release(part)
