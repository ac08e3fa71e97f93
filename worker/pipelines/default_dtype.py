import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# What makes floating-point tensors if it is told no dtype; diffusers and transformers build their modules of these.
FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.eye, torch.linspace, torch.logspace}
FILLERS = {torch.tensor, torch.arange, torch.full}  # do so if they are given such a number


class ThreadDefaultDtype(TorchFunctionMode):
    """Acts as torch's default dtype, in the one thread that enters it."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self._dtype = torch.get_default_dtype()
        self.set_for_all, self.get_for_all = torch.set_default_dtype, torch.get_default_dtype

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        makes_floats = func in FACTORIES or (
            func in FILLERS and any(isinstance(each, float) for each in (*args, *named.values()))
        )
        if makes_floats and named.get("dtype") is None:
            named["dtype"] = self._dtype
        return func(*args, **named)

    def get(self) -> torch.dtype:
        return self._dtype if threading.get_ident() == self._thread else self.get_for_all()

    def set(self, dtype: torch.dtype) -> None:
        if threading.get_ident() != self._thread:
            self.set_for_all(dtype)
        else:
            self._dtype = dtype


@contextmanager
def kept_to_this_thread() -> Iterator[None]:
    """Has `torch.set_default_dtype` act in this thread alone, until the context ends; one context at a time.

    The libraries set it while they build a model. It acts on all threads, so runs of other models would compute some
    of their numbers in that precision.
    """
    with ThreadDefaultDtype() as mode:
        torch.set_default_dtype, torch.get_default_dtype = mode.set, mode.get
        try:
            yield
        finally:
            torch.set_default_dtype, torch.get_default_dtype = mode.set_for_all, mode.get_for_all
