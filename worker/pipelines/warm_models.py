from dataclasses import dataclass

from diffusers import DiffusionPipeline

from app.contract.catalogue import Catalogue
from app.contract.generation import GenerationRequest
from worker.engine import Engine
from worker.pipelines.arguments import arguments
from worker.pipelines.loading import load
from worker.pipelines.placement import Placement


@dataclass(frozen=True)
class WarmModels:
    """The catalogue's models as pipelines on the device, by model and scheduler, adopted by the engine."""

    pipelines: dict[str, dict[str, DiffusionPipeline]]

    @classmethod
    def warm(cls, catalogue: Catalogue, placement: Placement, engine: Engine) -> "WarmModels":
        """Loads every model and develops two small pictures together, so that no caller waits for a first meeting."""
        models = cls({name: load(model, placement) for name, model in catalogue.models.items()})
        for name, model in catalogue.models.items():
            pipeline = models.find(name, model.defaults.scheduler)
            engine.adopt(pipeline, name)
            prompts = [GenerationRequest(prompt=prompt, num_inference_steps=2) for prompt in ("one", "another")]
            runs = [engine.submit(pipeline, **arguments(pipeline, model.fill(prompt))) for prompt in prompts]
            for run in runs:
                run.result()
        return models

    def find(self, model: str, scheduler: str) -> DiffusionPipeline:
        return self.pipelines[model][scheduler]
