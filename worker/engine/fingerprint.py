from typing import Any

from torch import nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks")


class Fingerprint:
    """What a run could change of a module that others share: attention processors, hooks, mode, adapters' scales."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self.take()

    def take(self) -> None:
        """Makes the module's present state the one to hold."""
        parts = list(self._module.modules())
        self._processed: list[Any] = [
            part for part in parts if "processor" in vars(part) or "processor" in part._modules
        ]
        self._hooks = [vars(part)[name] for part in parts for name in HOOKS]
        self._scales = [vars(part)["scaling"] for part in parts if isinstance(vars(part).get("scaling"), dict)]
        self._processors = [part.processor for part in self._processed]
        self._hooked = [dict(hooks) for hooks in self._hooks]
        self._hook_counts = [len(hooks) for hooks in self._hooks]
        self._scaled = [dict(scales) for scales in self._scales]
        self._is_training = self._module.training

    def is_changed(self) -> bool:
        return (
            self._module.training is not self._is_training
            or any(part.processor is not held for part, held in zip(self._processed, self._processors, strict=True))
            or [*map(len, self._hooks)] != self._hook_counts
            or self._scales != self._scaled
        )

    def restore(self) -> None:
        """Puts the held state back."""
        self._module.train(self._is_training)
        for part, processor in zip(self._processed, self._processors, strict=True):
            part.processor = processor
        for present, held in zip(self._hooks + self._scales, self._hooked + self._scaled, strict=True):
            present.clear()
            present.update(held)
