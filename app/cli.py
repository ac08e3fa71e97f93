"""The `darkroom` command; each of its commands imports what it needs when it runs."""

# ruff: noqa: PLC0415 - what it does not need costs a second of start-up

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from app.contract.settings import Settings

CANCELED_BY_HAND = 130

cli = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

Host = Annotated[str | None, typer.Option(help="Where the API listens; default 127.0.0.1.")]
Port = Annotated[int | None, typer.Option(help="0: any free port; default 8000.")]
StateDir = Annotated[Path | None, typer.Option(help="Where Redis and the pictures live; default ./state.")]


def main() -> None:
    cli()


@cli.command()
def up(host: Host = None, port: Port = None, state_dir: StateDir = None) -> None:
    """Starts all of Darkroom on this machine: Redis, the API and the worker."""
    import asyncio

    from app import up as service
    from app import workers
    from app.contract.catalogue import CatalogueUnreadable
    from app.unstartable import Unstartable

    settings = _settings(host=host, port=port, state_dir=state_dir)
    try:
        workers.require_packages()
        asyncio.run(service.up(settings, _say))
    except (CatalogueUnreadable, Unstartable) as error:
        _fail(str(error))


@cli.command()
def api(host: Host = None, port: Port = None, state_dir: StateDir = None) -> None:
    """Starts one API process."""
    settings = _settings(host=host, port=port, state_dir=state_dir)

    from app.contract.catalogue import CatalogueUnreadable
    from app.listener import address_of, listen
    from app.server import serve
    from app.unstartable import Unstartable

    try:
        with listen(settings.host, settings.port) as listener:
            typer.echo(f"darkroom: listening on {address_of(listener)}")
            serve(settings, listener)
    except (CatalogueUnreadable, Unstartable) as error:
        _fail(str(error))


@cli.command()
def worker(state_dir: StateDir = None) -> None:
    """Starts a worker, or one per GPU, and starts each again when it ends by itself."""
    import asyncio

    from app import workers
    from app.contract.catalogue import CatalogueUnreadable
    from app.unstartable import Unstartable

    settings = _settings(state_dir=state_dir)
    try:
        workers.require_packages()
        asyncio.run(workers.work(settings, _say))
    except (CatalogueUnreadable, Unstartable) as error:
        _fail(str(error))


@cli.command()
def generate(  # noqa: PLR0913, PLR0917 - one for each option
    prompt: str,
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png, .jpg or .webp file.")],
    url: Annotated[str, typer.Option(envvar="DARKROOM_URL")] = "http://127.0.0.1:8000",
    model: str | None = None,
    seed: int | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    scheduler: str | None = None,
    negative: Annotated[str | None, typer.Option(help="What shall not be in the picture.")] = None,
    width: int | None = None,
    height: int | None = None,
    num_images: int | None = None,
    timeout: Annotated[float, typer.Option(help="Seconds, queue and all.")] = 600,
) -> None:
    """Turns a prompt into picture files."""
    from app.client import Client, GenerationStopped
    from app.generate import generate as develop

    asked = {
        "prompt": prompt,
        "model": model,
        "seed": seed,
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "scheduler": scheduler,
        "negative_prompt": negative,
        "width": width,
        "height": height,
        "num_images": num_images,
    }
    try:
        pictures = develop(Client(url), output, asked, timeout)
    except GenerationStopped as error:
        _fail(str(error))
    except KeyboardInterrupt:
        typer.echo("The job is canceled.", err=True)
        raise typer.Exit(CANCELED_BY_HAND) from None
    for picture in pictures:
        typer.echo(f"{picture.path}  seed {picture.seed}  {picture.seconds:.1f} s")


@cli.command()
def demo(
    output: Annotated[Path, typer.Argument(help="A .png, .jpg or .webp file.")] = Path("cat.png"),
    patience: Annotated[float, typer.Option(help="Seconds for the worker to be warm, and for the job.")] = 300,
) -> None:
    """Starts Darkroom, makes one picture and stops it again."""
    from app.client import GenerationStopped
    from app.demo import demonstrate

    try:
        demonstrate(output, patience, typer.echo)
    except GenerationStopped as error:
        _fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(CANCELED_BY_HAND) from None


def _settings(**given: Any) -> "Settings":
    from pydantic import ValidationError

    from app.contract.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        _fail("; ".join(f"DARKROOM_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()))


def _say(line: str) -> None:
    """Tells whoever still reads it: the service does not end with its reader."""
    import os
    import sys

    try:
        typer.echo(f"darkroom: {line}")
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    main()
