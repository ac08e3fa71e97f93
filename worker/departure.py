from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import torch
from torch import Tensor


class Departure:
    """A tensor on its way from the device to the host, without a halt for the thread that has made it.

    Made in the thread whose work gives the tensor, it marks the end of that work; `arrive`, in any other, waits for
    it and for nothing that is queued behind it.
    """

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        if tensor.is_cuda:
            self._made = torch.cuda.current_stream(tensor.device).record_event()

    def arrive(self) -> Tensor:
        """Returns the tensor on the host; on CUDA it is copied on a stream of its own."""
        if not self._tensor.is_cuda:
            return self._tensor.cpu()
        stream = torch.cuda.Stream(self._tensor.device)
        stream.wait_event(self._made)
        with torch.cuda.stream(stream):
            self._tensor.record_stream(stream)  # else its memory may be given away before it is copied
            return self._tensor.cpu()


def departing(run: "Future[Any]", result: Callable[[Any], Tensor]) -> "Future[Departure]":
    """The future of what leaves the device when the run is done; it fails and is done as the run is."""
    departure: Future[Departure] = Future()

    def mark(done: "Future[Any]") -> None:  # in the engine's thread
        try:
            departure.set_result(Departure(result(done.result())))
        except BaseException as error:  # the run's own, which belongs to whoever waits
            departure.set_exception(error)

    run.add_done_callback(mark)
    return departure
