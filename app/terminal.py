"""What the commands read and say; each function imports what it needs when it runs."""

# ruff: noqa: PLC0415 - what a command does not need costs a second of start-up

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from pydantic import ValidationError

    from app.contract.settings import Settings


def settings_with(**given: Any) -> "Settings":
    from pydantic import ValidationError

    from app.contract.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        fail(what_is_wrong(error, lambda name: f"DARKROOM_{name.upper()}"))


def what_is_wrong(error: "ValidationError", spell: Callable[[str], str]) -> str:
    """Each field at fault as the user knows it, and why; not what he gave, which may be a secret."""
    return "; ".join(f"{spell(str(each['loc'][-1]))}: {each['msg']}" for each in error.errors())


def voice(settings: "Settings") -> Callable[[str], None]:
    """How the service speaks of itself from now on, as `say` does or in JSON; sets up its logs, too."""
    from app.contract import logs

    logs.set_up(settings.log_format, settings.log_level)
    return say if settings.log_format == "text" else lambda line: _tell(logs.line("app.supervisor", line))


def say(line: str) -> None:
    _tell(f"darkroom: {line}")


def _tell(line: str) -> None:
    """Tells whoever still reads it: the service does not end with its reader."""
    import os
    import sys

    try:
        typer.echo(line)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)
