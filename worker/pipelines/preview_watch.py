import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from types import TracebackType
from typing import Self

from torch import Tensor

from worker.departure import Departure
from worker.pipelines.previews import Previewer, encode

logger = logging.getLogger(__name__)

OnPreview = Callable[[int, int, bytes], None]  # step, of how many, WEBP


class PreviewWatch:
    """The previews of one run: now and then the engine's thread hands it the latents, and another does the rest.

    So many come, spread evenly over the steps before the last one, one after the other. None is begun after the context
    has ended, which waits for none: previews are never late, they are fewer.
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
        self._context = copy_context()  # the job's, for the log
        self._due: deque[tuple[int, int, Departure]] = deque()
        self._making = threading.Lock()
        self._is_over = False

    def on_step(self, step: int, total: int, latents: Tensor) -> None:
        """Called in the engine's thread, where it costs one copy of the latents."""
        parts = step * self._parts // total
        if parts == self._parts_shown or step >= total:
            return
        self._parts_shown = parts
        self._due.append((step, total, Departure(latents.detach().clone())))
        self._executor.submit(self._context.copy().run, self._make_next)

    def _make_next(self) -> None:
        with self._making:
            if not self._is_over:
                self._make(*self._due.popleft())

    def _make(self, step: int, total: int, departure: Departure) -> None:
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
