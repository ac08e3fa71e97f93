import inspect
from collections.abc import Callable, Mapping
from typing import Any

# step (from 1), total, latents
OnStep = Callable[[int, int, Any], None]


def reporting(pipeline: Any, arguments: Mapping[str, Any], on_step: OnStep) -> dict[str, Any]:
    """Returns the arguments with `on_step` hung into the pipeline's own step callback, before the caller's if any.

    A pipeline that has no such callback reports nothing.
    """
    parameters = inspect.signature(type(pipeline).__call__).parameters
    if "callback_on_step_end" not in parameters:
        return dict(arguments)
    theirs = arguments.get("callback_on_step_end")
    names = arguments.get("callback_on_step_end_tensor_inputs") or getattr(theirs, "tensor_inputs", [])
    steps = parameters.get("num_inference_steps")
    requested = arguments.get("num_inference_steps", steps.default if steps else 0)

    def callback(own: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        on_step(index + 1, getattr(own, "_num_timesteps", requested), tensors["latents"])
        return theirs(own, index, timestep, tensors) if theirs else {}

    return {
        **arguments,
        "callback_on_step_end": callback,
        "callback_on_step_end_tensor_inputs": list({**dict.fromkeys(names), "latents": None}),
    }
