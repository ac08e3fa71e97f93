import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Self

from torch import Tensor

from worker.departure import Departure
from worker.pipelines.previews import Previewer, encode

logger = logging.getLogger(__name__)

OnPreview = Callable[[int, int, bytes], None]  # step, of how many, WEBP


class PreviewWatch:
    """The previews of one run: now and then the engine's thread hands it the latents, and another does the rest.

    So many come, spread evenly over the steps before the last one. While one is being made, the next has to wait or is
    left out: previews are never late, they are fewer. None is made after the context has ended, which waits for none.
    """

    def __init__(
        self, previewer: Previewer, size: tuple[int, int], number: int, on_preview: OnPreview, executor: Executor
    ) -> None:
        self._previewer = previewer
        self._width, self._height = size
        self._parts = number + 1  # of the steps, each ended by a preview or by the pictures
        self._parts_shown = 0
        self._on_preview = on_preview
        self._executor = executor
        self._making: Future[None] | None = None
        self._is_over = False

    def on_step(self, step: int, total: int, latents: Tensor) -> None:
        """Called in the engine's thread, where it costs one copy of the latents."""
        parts = step * self._parts // total
        if parts == self._parts_shown or step >= total or (self._making and not self._making.done()):
            return
        self._parts_shown = parts
        self._making = self._executor.submit(self._make, step, total, Departure(latents.detach().clone()))

    def _make(self, step: int, total: int, departure: Departure) -> None:
        if self._is_over:
            return
        try:
            thumbnails = self._previewer.thumbnails(departure.arrive(), self._width, self._height)
            content = encode(thumbnails)
            self._on_preview(step, total, content)
        except Exception:  # whatever becomes of a preview, the job itself goes on
            logger.exception("A preview could not be made.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
