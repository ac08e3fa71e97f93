import inspect
import threading
from collections.abc import Mapping
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from diffusers import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    AutoPipelineForText2Image,
    DiffusionPipeline,
)
from torch import nn

from app.contract.catalogue import Model
from app.contract.errors import ModelUnloadable
from app.contract.generation import Generation, Task
from worker.pipelines.memory import modules_of

AUTO: dict[Task, Any] = {
    "text-to-image": AutoPipelineForText2Image,
    "image-to-image": AutoPipelineForImage2Image,
    "inpainting": AutoPipelineForInpainting,
}
PICTURES: dict[Task, set[str]] = {
    "text-to-image": set(),
    "image-to-image": {"image"},
    "inpainting": {"image", "mask_image"},
}
ALL_PICTURES = {"image", "mask_image", "control_image"}


class TaskPipelines:
    """A model's stock pipelines, one for each scheduler, task and ControlNet, over one set of weights.

    Each is made when it is first asked for, which costs no more than the object.
    """

    def __init__(
        self, model: Model, by_scheduler: Mapping[str, DiffusionPipeline], controlnets: Mapping[str, nn.Module]
    ) -> None:
        """Raises ModelUnloadable if one of them cannot do what the catalogue promises."""
        self.model = model
        self.controlnets = dict(controlnets)
        self._made: dict[tuple[str, Task, str | None], DiffusionPipeline] = {}
        self._by_scheduler = dict(by_scheduler)
        self._making = threading.Lock()
        for task, controlnet in self.promised:
            self.find(model.defaults.scheduler, task, controlnet)
        self._hold_to_strength()

    @property
    def promised(self) -> list[tuple[Task, str | None]]:
        """What the catalogue says the model does: each task alone, and with each ControlNet."""
        return [(task, name) for name in (None, *self.model.controlnets) for task in self.model.tasks_of(name)]

    @property
    def own(self) -> DiffusionPipeline:
        """The pipeline as it was loaded, with the default scheduler."""
        return self._by_scheduler[self.model.defaults.scheduler]

    @cached_property
    def adoptable(self) -> list[Any]:
        """What the engine adopts: the pipeline's modules, and the ControlNets by their names."""
        named = {f"controlnet.{name}": module for name, module in self.controlnets.items()}
        return [self.own, SimpleNamespace(**named)]

    @property
    def modules(self) -> list[nn.Module]:
        return [*modules_of(self.own), *self.controlnets.values()]

    def of(self, generation: Generation) -> DiffusionPipeline:
        control = generation.control.name if generation.control else None
        return self.find(generation.scheduler, generation.task, control)

    def find(self, scheduler: str, task: Task, controlnet: str | None = None) -> DiffusionPipeline:
        key = (scheduler, task, controlnet)
        with self._making:
            if key not in self._made:
                self._made[key] = self._make(*key)
            return self._made[key]

    def _make(self, scheduler: str, task: Task, controlnet: str | None) -> DiffusionPipeline:
        pipeline = _stock(self._by_scheduler[scheduler], task, self.controlnets.get(controlnet or ""))
        if not _can(pipeline, task, bool(controlnet)):
            promise = f"{task} with the ControlNet {controlnet}" if controlnet else task
            raise ModelUnloadable(
                f"The catalogue promises {promise} of {self.model.name}, which its {type(pipeline).__name__} cannot do."
            )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _hold_to_strength(self) -> None:
        name, default = self.model.name, self.model.defaults
        pipelines = [self.find(default.scheduler, task) for task in self.model.tasks]
        taking = [type(each).__name__ for each in pipelines if "strength" in call_parameters(each)]
        if taking and default.strength is None:
            raise ModelUnloadable(f"The catalogue gives {name} no default strength, and its {taking[0]} takes one.")
        if default.strength and not taking:
            raise ModelUnloadable(
                f"The catalogue gives {name} a default strength, and none of its pipelines takes one."
            )


def call_parameters(pipeline: DiffusionPipeline) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(pipeline.__call__).parameters


def _stock(own: DiffusionPipeline, task: Task, controlnet: nn.Module | None) -> DiffusionPipeline:
    """The pipeline that diffusers has for the task; its own if it is of no family that diffusers knows by tasks."""
    try:
        found = AUTO[task].from_pipe(own, **({"controlnet": controlnet} if controlnet else {}))
    except ValueError:
        return own
    return own if type(found) is type(own) else found


def _can(pipeline: DiffusionPipeline, task: Task, is_controlled: bool) -> bool:
    """By what it takes; that it does so is seen when the model is warmed."""
    taken = call_parameters(pipeline)
    given = PICTURES[task] | ({"control_image" if "control_image" in taken else "image"} if is_controlled else set())
    needed = {name for name in ALL_PICTURES & taken.keys() if taken[name].default is inspect.Parameter.empty}
    return needed <= given <= taken.keys() and is_controlled == ("controlnet" in pipeline.components)
