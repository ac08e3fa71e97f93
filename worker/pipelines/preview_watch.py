import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Self

from torch import Tensor

from worker.departure import Departure
from worker.pipelines.previews import Previewer, encode

logger = logging.getLogger(__name__)

OnPreview = Callable[[int, bytes], None]  # step, WEBP


class PreviewWatch:
    """The previews of one run: every so many steps the engine's thread hands it the latents, and another does the rest.

    While one is being made, the next is left out: previews are never late, they are fewer. None comes after the
    context has ended.
    """

    def __init__(
        self, previewer: Previewer, size: tuple[int, int], every: int, on_preview: OnPreview, executor: Executor
    ) -> None:
        self._previewer = previewer
        self._width, self._height = size
        self._every = every
        self._on_preview = on_preview
        self._executor = executor
        self._making: Future[None] | None = None
        self._telling = threading.Lock()
        self._is_over = False

    def on_step(self, step: int, total: int, latents: Tensor) -> None:
        """Called in the engine's thread, where it costs one copy of the latents."""
        if step % self._every or step >= total or (self._making and not self._making.done()):
            return
        self._making = self._executor.submit(self._make, step, Departure(latents.detach().clone()))

    def _make(self, step: int, departure: Departure) -> None:
        try:
            thumbnails = self._previewer.thumbnails(departure.arrive(), self._width, self._height)
            content = encode(thumbnails)
            with self._telling:
                if not self._is_over:
                    self._on_preview(step, content)
        except Exception:  # whatever becomes of a preview, the job itself goes on
            logger.exception("A preview could not be made.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._telling:
            self._is_over = True
