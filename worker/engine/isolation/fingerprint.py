import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary, ref

from greenlet import getcurrent, greenlet
from torch import nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks")
MISSING = object()

Values: TypeAlias = "dict[tuple[nn.Module, str], Any]"

_watched: "WeakKeyDictionary[nn.Module, ref[Fingerprint]]" = WeakKeyDictionary()  # by the parts of each module


class Fingerprint:
    """What a run could change of a module that others share: settings, attention processors, hooks, scales, caches.

    Whether it has is asked whenever a run parks. So what is set is noted as it is set, and the rest is held to be
    compared; the module is walked only once.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.take()

    def take(self) -> None:
        """Makes the module's present state the one to hold."""
        parts = list(self.module.modules())
        _watched.update(dict.fromkeys(parts, ref(self)))
        self._stamp: int | None = None
        self._worker: greenlet | None = None  # where the module itself is at work
        self._is_caching = any(map(_keeps_state, parts))
        self._set: Values = {}  # what runs have set, and the values before
        self._set_by_itself: Values = {}  # in the present forward pass
        self._processors = [
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

    def note(self, part: nn.Module, name: str) -> None:
        """Keeps the value before of what is about to be set, by a run or by the module itself."""
        if self._worker is getcurrent():
            self._set_by_itself.setdefault((part, name), _own(part, name))
        elif hasattr(getcurrent(), "run_in_it"):
            self._set.setdefault((part, name), _own(part, name))

    def is_changed(self) -> bool:
        self._set = {place: before for place, before in self._set.items() if not _is_same(_own(*place), before)}
        return (
            self._is_caching
            or any(_is_setting(*place, before) for place, before in self._set.items())
            or self._count_hooks() != self._counts
            or self._scales != self._held_scales
        )

    def restore(self) -> None:
        """Puts the held state back."""
        if self._is_caching:
            self.module._reset_stateful_cache()  # type: ignore[operator]
        _put_back(self._set)
        for part, processor in self._processors:
            if part.processor is not processor:
                part._modules.pop("processor", None)
                part.processor = processor
        for present, held in zip(self._hooks + self._scales, self._held_hooks + self._held_scales, strict=True):
            present.clear()
            present.update(held)

    @contextmanager
    def absorbing(self) -> Iterator[None]:
        """Takes for the module's own what it sets and hangs up itself, as transformers' models do at first use.

        What it has set when it fails is put back: some keep features of the last frames until they are done.
        """
        before, outer = self._count_hooks(), self._worker
        self._worker = getcurrent()
        try:
            yield
        except BaseException:
            _put_back(self._set_by_itself)
            raise
        finally:
            self._worker = outer
        if outer is None:
            self._set_by_itself.clear()
        if self._count_hooks() == before:
            return
        for present, held, count in zip(self._hooks, self._held_hooks, before, strict=True):
            held.update(islice(present.items(), count, None))
        self._counts = [len(held) for held in self._held_hooks]

    def _count_hooks(self) -> list[int]:
        return [*map(len, self._hooks)]


def _own(part: nn.Module, name: str) -> Any:
    """Returns what a part has under a name itself, and not by its class."""
    places = vars(part), part._modules, part._parameters, part._buffers
    return next((place[name] for place in places if name in place), MISSING)


def _is_same(value: Any, before: Any) -> bool:
    return value is before or (_is_plain(value) and _is_plain(before) and value == before)


def _is_setting(part: nn.Module, name: str, before: Any) -> bool:
    """An object that hangs where there was nothing, such as diffusers' registry of hooks, is none."""
    return before is not MISSING or hasattr(type(part), name) or _is_plain(_own(part, name))


def _put_back(values: Values) -> None:
    for (part, name), before in [*values.items()]:
        if before is not MISSING:
            setattr(part, name, before)
        elif _own(part, name) is not MISSING:
            delattr(part, name)
    values.clear()


def _noted(change: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(change)
    def note_and_change(part: nn.Module, name: str, *value: Any) -> None:
        watch = _watched.get(part)
        if fingerprint := watch and watch():
            fingerprint.note(part, name)
        change(part, name, *value)

    return note_and_change


nn.Module.__setattr__ = _noted(nn.Module.__setattr__)  # type: ignore[method-assign]
nn.Module.__delattr__ = _noted(nn.Module.__delattr__)  # type: ignore[method-assign]


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
