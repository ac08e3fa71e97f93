"""Whose rows a forward pass has: for what is added to some rows and not to others, such as LoRA weights."""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

# What a run's rows wear while modules answer them: the engine passes it on and knows no more.
# It may have `kinds`, which are equal for those that reach the same layers: all kinds must have met (rule 3).
Adapters: TypeAlias = Hashable

_worn: ContextVar[Sequence[tuple[Adapters | None, int]]] = ContextVar("worn", default=())


def worn() -> Sequence[tuple[Adapters | None, int]]:
    """Returns whose rows the present forward pass has, in their order: a run's adapters, and how many rows."""
    return _worn.get()


@contextmanager
def wearing(rows: Sequence[tuple[Adapters | None, int]]) -> Iterator[None]:
    """Has `worn` return these rows inside the context."""
    token = _worn.set(rows)
    try:
        yield
    finally:
        _worn.reset(token)


def kinds_of(adapters: Adapters | None) -> Sequence[Hashable]:
    return getattr(adapters, "kinds", [adapters is None])
