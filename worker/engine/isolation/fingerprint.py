from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from torch import nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks")


class Fingerprint:
    """What a run could change of a module that others share: attention processors, hooks, mode, scales, caches.

    It is looked at whenever a run parks, so it holds on to what there is to compare and walks the module only once.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.take()

    def take(self) -> None:
        """Makes the module's present state the one to hold."""
        parts = list(self.module.modules())
        self._stamp: int | None = None
        self._is_training = self.module.training
        self._is_caching = any(map(_keeps_state, parts))
        self._processors: list[tuple[Any, Any]] = [
            (part, part.processor) for part in parts if "processor" in vars(part) or "processor" in part._modules
        ]
        self._hooks = [vars(part)[name] for part in parts for name in HOOKS]
        self._held_hooks = [dict(hooks) for hooks in self._hooks]
        self._counts = self._count_hooks()
        self._scales = [vars(part)["scaling"] for part in parts if isinstance(vars(part).get("scaling"), dict)]
        self._held_scales = [dict(scales) for scales in self._scales]

    @property
    def stamp(self) -> int:
        """Changes with the module's weights and settings, as far as they could when the state was taken."""
        if self._stamp is None:
            tensors = [*self.module.parameters(), *self.module.buffers()]
            weights = [
                (id(tensor), tensor.data_ptr(), tensor._version) for tensor in tensors if not tensor.is_inference()
            ]
            settings = [
                repr({name: value for name, value in vars(part).items() if _is_plain(value)})
                for part in self.module.modules()
            ]
            self._stamp = hash((*weights, *settings))
        return self._stamp

    def is_changed(self) -> bool:
        return (
            self._is_caching
            or self.module.training is not self._is_training
            or any(part.processor is not held for part, held in self._processors)
            or self._count_hooks() != self._counts
            or self._scales != self._held_scales
        )

    def restore(self) -> None:
        """Puts the held state back."""
        if self._is_caching:
            self.module._reset_stateful_cache()  # type: ignore[operator]
        if self.module.training is not self._is_training:
            self.module.train(self._is_training)
        for part, held in self._processors:
            if part.processor is not held:
                part._modules.pop("processor", None)
                part.processor = held
        for present, held in zip(self._hooks + self._scales, self._held_hooks + self._held_scales, strict=True):
            present.clear()
            present.update(held)

    @contextmanager
    def absorbing(self) -> Iterator[None]:
        """Takes for the module's own the hooks that it hangs up itself, as transformers' models do at first use."""
        before = self._count_hooks()
        yield
        if self._count_hooks() == before:
            return
        for present, held, count in zip(self._hooks, self._held_hooks, before, strict=True):
            held.update(islice(present.items(), count, None))
        self._counts = [len(held) for held in self._held_hooks]

    def _count_hooks(self) -> list[int]:
        return [*map(len, self._hooks)]


def _keeps_state(part: nn.Module) -> bool:
    """Whether diffusers keeps something there from one step of a run for its next, as its caches do."""
    registry = vars(part).get("_diffusers_hook")
    return registry is not None and any(hook._is_stateful for hook in registry.hooks.values())


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple, set)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return isinstance(value, (bool, int, float, str, type(None)))
