import json
import queue
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from app.contract.generation import Picture

PROGRAM = Path(__file__).with_name("program.py")
PROCESSES = 2
LIMIT_S = 20.0  # the program's own limit is on the CPU's time

Role = Literal["image", "mask", "alpha_mask"]


class Undecodable(Exception):
    """Raised when a file turns out to hold no picture, or costs its decoder more than it may."""


class Decoder:
    """Decodes pictures in a few processes, which are started when needed, kept warm, and replaced when one fails."""

    def __init__(self, processes: int = PROCESSES, limit_s: float = LIMIT_S) -> None:
        self._free: queue.LifoQueue[_Process] = queue.LifoQueue()  # the last one used is warm
        for _ in range(processes):
            self._free.put(_Process(limit_s))

    def decode(self, content: bytes, picture: Picture, wanted: tuple[int, int], role: Role) -> Image.Image:
        """The picture upright: RGB, or L if it is a mask, whose white parts are drawn anew.

        It has its own size, unless that is more than twice the wanted one. Raises Undecodable.
        """
        pixels = picture.width * picture.height
        request = {"bytes": len(content), "pixels": pixels, "wanted": wanted, "role": role}
        process = self._free.get()
        try:
            return process.ask(request, content)
        finally:
            self._free.put(process)


class _Process:
    """One decoding program, used by one thread at a time."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: dict[str, object], content: bytes) -> Image.Image:
        """Whatever goes wrong between us, the next picture gets a new program."""
        process = self._process if self._process and self._process.poll() is None else self._start()
        clock = threading.Timer(self._limit_s, process.kill)
        clock.start()
        try:
            answer, pixels = _exchange(process, request, content)
        except (OSError, ValueError) as error:
            self._end()
            raise Undecodable("The decoder died of it, or took too long.") from error
        finally:
            clock.cancel()
        if "error" in answer:
            raise Undecodable(answer["error"])
        return Image.frombytes(answer["mode"], answer["size"], pixels)

    def _start(self) -> "subprocess.Popen[bytes]":
        """Starts a program that knows none of our secrets: it gets no environment and no open file."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
            start_new_session=True,  # a Ctrl-C must not end it before the worker's last job
        )
        self._finalizer = weakref.finalize(self, _stop, self._process)
        return self._process

    def _end(self) -> None:
        self._finalizer()
        self._process = None


def _exchange(
    process: "subprocess.Popen[bytes]", request: dict[str, object], content: bytes
) -> tuple[dict[str, Any], bytes]:
    assert process.stdin  # noqa: S101 - it is a pipe
    assert process.stdout  # noqa: S101
    process.stdin.write(json.dumps(request).encode() + b"\n" + content)
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    pixels = process.stdout.read(answer["bytes"])
    if len(pixels) < answer["bytes"]:
        raise OSError("The answer is cut off.")
    return answer, pixels


def _stop(process: "subprocess.Popen[bytes]") -> None:
    with suppress(BrokenPipeError), process:
        process.kill()
