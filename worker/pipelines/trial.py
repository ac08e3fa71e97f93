from dataclasses import dataclass, field
from typing import Any

from diffusers import DiffusionPipeline
from PIL import Image
from torch import Tensor

from app.contract.catalogue import Model
from app.contract.generation import ControlRequest, Generation, GenerationRequest, Mask, Picture, Pictures, Task
from worker.inputs import Inputs
from worker.pipelines.arguments import arguments
from worker.pipelines.previews import PreviewImpossible, specimen
from worker.pipelines.task_pipelines import call_parameters


@dataclass
class Trial:
    """A warm-up run that is given noise for its latents at each step, so that what it decodes is of all colours.

    Where the task needs pictures, they are grey, and masked everywhere.
    """

    generation: Generation
    inputs: Inputs
    _latents: Tensor | None = field(default=None, init=False)
    _reason: str = field(default="it calls nobody back after a step", init=False)

    @classmethod
    def of(cls, model: Model, task: Task, controlnet: str | None = None, **asked: Any) -> "Trial":
        size = (model.defaults.width, model.defaults.height)
        picture: dict[str, Any] = {"sha256": "", "content_type": "", "width": size[0], "height": size[1], "bytes": 0}
        has_image, has_mask = task != "text-to-image", task == "inpainting"
        pictures = Pictures(
            image=[Picture(**picture)] if has_image else [],
            mask=Mask(**picture) if has_mask else None,
            control=Picture(**picture) if controlnet else None,
        )
        request = GenerationRequest(
            strength=1.0 if has_image and model.defaults.strength else None,
            control=ControlRequest(name=controlnet, image="-") if controlnet else None,
            **asked,
        )
        grey = Image.new("RGB", size, "grey")
        inputs = Inputs(
            image=[grey] if has_image else [],
            mask=Image.new("L", size, "white") if has_mask else None,
            control=grey if controlnet else None,
        )
        return cls(model.fill(request, pictures), inputs)

    def arguments(self, pipeline: DiffusionPipeline) -> dict[str, Any]:
        asked = arguments(pipeline, self.generation, self.inputs)
        if "callback_on_step_end" in call_parameters(pipeline):
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
