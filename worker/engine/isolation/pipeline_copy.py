import copy
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from worker.engine.errors import SharedModuleChanged
from worker.engine.rows.stacking import flatten

# What a pipeline's methods begin with that change the weights of its modules.
CHANGING = ("load_", "unload_", "fuse_", "unfuse_")


def is_pipeline(part: Any) -> bool:
    return hasattr(type(part), "components") and callable(part)


def own_copy(pipeline: Any, copied: dict[int, Any] | None = None) -> Any:
    """Returns a pipeline with its own state, schedulers and inner pipelines, over the very same modules."""
    copied = {} if copied is None else copied
    own = copied[id(pipeline)] = copy.copy(pipeline)
    for name, part in vars(pipeline).items():
        # Not through setattr, which a pipeline overrides to rewrite its configuration.
        vars(own)[name] = _own(part, copied)
    for name in dir(type(pipeline)):
        if name.startswith(CHANGING):
            vars(own)[name] = _refusal(f"{type(pipeline).__name__}.{name}")
    return own


def _own(part: Any, copied: dict[int, Any]) -> Any:
    if id(part) in copied:  # a combined pipeline and the one inside it share their schedulers
        return copied[id(part)]
    if is_pipeline(part):
        return own_copy(part, copied)
    if type(part) in (dict, list, set):
        copied[id(part)] = copy.copy(part)
    elif hasattr(type(part), "from_config") and not isinstance(part, nn.Module):  # schedulers and their like
        copied[id(part)] = copy.deepcopy(part, _without_graphs(part))
    return copied.get(id(part), part)


def _without_graphs(part: Any) -> dict[int, Tensor]:
    """Returns what `deepcopy` is to take for the answers that a scheduler has kept of a call with gradients."""
    leaves: list[Any] = []
    flatten(vars(part), leaves)
    return {id(leaf): leaf.detach().clone() for leaf in leaves if isinstance(leaf, Tensor) and leaf.grad_fn}


def _refusal(name: str) -> Callable[..., Any]:
    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise SharedModuleChanged(f"{name} was called inside a run; it would change what other runs share.")

    return refuse
