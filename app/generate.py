"""`darkroom generate`: from a prompt to picture files."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.client import Client, GenerationStopped
from app.contract.job import Job

FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
LINES_APART_S = 0.3


@dataclass(frozen=True)
class Picture:
    """A picture that was saved."""

    path: Path
    seed: int
    seconds: float


def generate(client: Client, file: Path, asked: dict[str, Any], timeout_s: float) -> list[Picture]:
    """Posts what was asked, shows how it develops and saves the pictures; Ctrl-C cancels the job.

    Raises GenerationStopped.
    """
    body = {name: value for name, value in asked.items() if value is not None}
    body["output"] = {"format": writable_format(file)}
    began = time.monotonic()
    job = client.submit(body)
    try:
        with _progress_bar() if sys.stderr.isatty() else _progress_lines() as show:
            job = client.wait(job, timeout_s, show)
    except KeyboardInterrupt:
        client.cancel(job.id)
        raise
    paths = numbered(file, len(job.images))
    for path, image in zip(paths, job.images, strict=True):
        _write(path, client.image(image))
    seconds = time.monotonic() - began
    return [Picture(path, image.seed, seconds) for path, image in zip(paths, job.images, strict=True)]


def writable_format(file: Path) -> str:
    """The output format that the file's suffix names; raises GenerationStopped if no such file can be written."""
    if file.suffix.lower() not in FORMATS:
        raise GenerationStopped(f"{file} names no format: it ends with {', '.join(FORMATS)}.")
    folder = file.absolute().parent
    if not folder.is_dir():
        raise GenerationStopped(f"There is no folder {folder}.")
    if file.is_dir() or not os.access(file if file.exists() else folder, os.W_OK):
        raise GenerationStopped(f"{file} cannot be written.")
    return FORMATS[file.suffix.lower()]


def numbered(file: Path, count: int) -> list[Path]:
    """The file alone for one picture; for several, with -0, -1, ... before the suffix."""
    return [file] if count == 1 else [file.with_stem(f"{file.stem}-{n}") for n in range(count)]


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise GenerationStopped(f"{path} cannot be written: {error.strerror}.") from error


@contextmanager
def _progress_bar() -> Iterator[Callable[[Job], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("sent", total=None)

        def show(job: Job) -> None:
            progress.update(
                task,
                description=f"{job.status} ({_pictures(job)})",
                completed=job.progress.step,
                total=job.progress.total_steps,
            )

        yield show


@contextmanager
def _progress_lines() -> Iterator[Callable[[Job], None]]:
    """For a log: a line when the status or the step has changed, at most a few a second."""
    told, again_at = "", 0.0

    def show(job: Job) -> None:
        nonlocal told, again_at
        line = f"{job.status}, step {job.progress.step} of {job.progress.total_steps} ({_pictures(job)})"
        if line != told and (job.status.is_terminal or time.monotonic() >= again_at):
            told, again_at = line, time.monotonic() + LINES_APART_S
            typer.echo(line, err=True)

    yield show


def _pictures(job: Job) -> str:
    count = job.request.num_images
    return "1 picture" if count == 1 else f"{count} pictures"
