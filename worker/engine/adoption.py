import functools
import inspect
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from torch import nn

from worker.engine.call import Call
from worker.engine.errors import SharedModuleChanged
from worker.engine.isolation.fingerprint import Fingerprint
from worker.engine.isolation.pipeline_copy import is_pipeline
from worker.engine.run import Run

REROUTED = ("forward", "decode", "encode")
_numbers = itertools.count()


def modules_of(pipeline: Any, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yields the name and module of each of a pipeline's modules, those of the pipelines inside it too."""
    for name, part in vars(pipeline).items():
        if isinstance(part, nn.Module):
            yield prefix + name, part
        elif is_pipeline(part):
            yield from modules_of(part, f"{prefix}{name}.")


class Method:
    """One rerouted method of an adopted module, which calling this executes; and its totals."""

    def __init__(self, model: str, name: str, original: Callable[..., Any], fingerprint: Fingerprint) -> None:
        self.model = model
        self.name = name
        self.module = fingerprint.module
        self.original = original
        self.fingerprint = fingerprint
        self.is_of_pictures = name.endswith((".decode", ".encode"))
        self.number = next(_numbers)  # stands for the method in signatures, which outlive it
        self.answered_at = 0  # the hub's latest batch of it
        self.calls = 0
        self.forwards: Counter[int] = Counter()  # by their rows
        self._signature = inspect.signature(original)
        self._defaults = {name: parameter.default for name, parameter in self._signature.parameters.items()}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self.fingerprint.absorbing():
            return self.original(*args, **kwargs)

    def named(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """Writes equal calls equally: the arguments by their names, without those that have their default."""
        arguments = self._signature.bind(*args, **kwargs).arguments
        return {name: value for name, value in arguments.items() if value is not self._defaults[name]}

    def bound(self, arguments: dict[str, Any]) -> inspect.BoundArguments:
        """Returns what the method is to be called with, of arguments by their names."""
        ordered = {name: arguments[name] for name in self._defaults if name in arguments}
        return inspect.BoundArguments(self._signature, ordered)


class Adoption:
    """One module whose calls from inside runs are parked; from anywhere else they go where they always went."""

    def __init__(self, model: str, name: str, module: nn.Module) -> None:
        self.model = model
        self.name = name
        self.module = module
        self.fingerprint = Fingerprint(module)
        self._before = {method: vars(module).get(method) for method in (*REROUTED, "_apply")}
        self.methods: list[Method] = []
        for method in REROUTED:
            if callable(getattr(module, method, None)):
                label = name if method == "forward" else f"{name}.{method}"
                self.methods.append(Method(model, label, getattr(module, method), self.fingerprint))
                setattr(module, method, _rerouted(self.methods[-1]))
        module._apply = _guarded(module)  # type: ignore[method-assign]
        module._adoption = self  # type: ignore[assignment]

    def release(self) -> None:
        """Puts everything back as it was."""
        for name, before in self._before.items():
            if before is not None:
                setattr(self.module, name, before)
            else:
                vars(self.module).pop(name, None)
        del self.module._adoption


def _rerouted(method: Method) -> Callable[..., Any]:
    @functools.wraps(method.original)
    def forward(*args: Any, **kwargs: Any) -> Any:
        run = Run.current()
        if run is None:
            return method(*args, **kwargs)
        call = Call(method, args, kwargs, run.adapters, run.random)
        return run.park(call) if run.may_park() else call.answer()

    return forward


def _guarded(module: nn.Module) -> Callable[..., nn.Module]:
    """Wraps what `to`, `half`, `float` and `cuda` all go through."""
    original = module._apply

    @functools.wraps(original)
    def _apply(change: Callable[[Any], Any], *args: Any, **kwargs: Any) -> nn.Module:
        if Run.current() and any(
            change(tensor) is not tensor for tensor in chain(module.parameters(), module.buffers())
        ):
            raise SharedModuleChanged(f"A run tried to move or cast {type(module).__name__}, which other runs share.")
        return original(change, *args, **kwargs)

    return _apply
