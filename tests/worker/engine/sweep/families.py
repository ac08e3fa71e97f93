"""All classes of a family at once, over the very same modules where they have the same."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from torch import nn

from tests.worker.engine.sweep.configurations import Configuration
from tests.worker.engine.sweep.request import Request
from tests.worker.engine.sweep.variations import variations

SOME = 4  # requests of each class


def requests_of(family: Sequence[Configuration], chance: Random) -> list[Request]:
    """Returns requests of all classes, some of each; which ones is left to chance."""
    pipelines = [configuration.build() for configuration in family]
    share(pipelines)
    return [
        replace(request, name=f"{configuration.name}: {request.name}")
        for configuration, pipeline in zip(family, pipelines, strict=True)
        for request in _some([*variations(configuration, pipeline)], chance)
    ]


def _some(requests: Sequence[Request], chance: Random) -> Sequence[Request]:
    return chance.sample(requests, min(SOME, len(requests)))


def share(pipelines: Sequence[Any]) -> None:
    """Gives the pipelines the same modules: where name, type and the weights' shapes are equal, the last one's."""
    shared = {kind: module for pipeline in pipelines for kind, module in _modules(pipeline).items()}
    for pipeline in pipelines:
        pipeline.register_modules(**{kind[0]: shared[kind] for kind in _modules(pipeline)})


def _modules(pipeline: Any) -> dict[tuple[str, Hashable], nn.Module]:
    return {
        (name, (type(part), *((key, tensor.shape) for key, tensor in part.state_dict().items()))): part
        for name, part in pipeline.components.items()
        if isinstance(part, nn.Module)
    }
