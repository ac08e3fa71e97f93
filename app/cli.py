"""The `darkroom` command; each of its commands imports what it needs when it runs."""

# ruff: noqa: PLC0415 - what it does not need costs a second of start-up

from pathlib import Path
from typing import Annotated

import typer

from app import keys_command
from app.terminal import fail, settings_with, voice

CANCELED_BY_HAND = 130

cli = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
cli.add_typer(keys_command.commands, name="keys")

Host = Annotated[str | None, typer.Option(help="Where the API listens; default 127.0.0.1.")]
Port = Annotated[int | None, typer.Option(help="0: any free port; default 8000.")]
StateDir = Annotated[Path | None, typer.Option(help="Where Redis and the pictures live; default ./state.")]


def main() -> None:
    cli()


@cli.command()
def up(host: Host = None, port: Port = None, state_dir: StateDir = None) -> None:
    """Starts all of Darkroom on this machine: Redis, the API, the courier and the worker."""
    import asyncio

    from app import up as service
    from app import workers
    from app.contract.catalogue import CatalogueUnreadable
    from app.contract.unstartable import Unstartable

    settings = settings_with(host=host, port=port, state_dir=state_dir)
    try:
        workers.require_packages()
        asyncio.run(service.up(settings, voice(settings)))
    except (CatalogueUnreadable, Unstartable) as error:
        fail(str(error))


@cli.command()
def api(host: Host = None, port: Port = None, state_dir: StateDir = None) -> None:
    """Starts one API process."""
    import asyncio

    from app.auth import require_a_key
    from app.contract.catalogue import CatalogueUnreadable
    from app.contract.unstartable import Unstartable
    from app.listener import address_of, listen
    from app.server import serve

    settings = settings_with(host=host, port=port, state_dir=state_dir)
    try:
        asyncio.run(require_a_key(settings))
        with listen(settings.host, settings.port) as listener:
            voice(settings)(f"listening on {address_of(listener)}")
            serve(settings, listener)
    except (CatalogueUnreadable, Unstartable) as error:
        fail(str(error))


@cli.command()
def worker(state_dir: StateDir = None) -> None:
    """Starts a worker, or one per GPU, and starts each again when it ends by itself."""
    import asyncio

    from app import workers
    from app.contract.catalogue import CatalogueUnreadable
    from app.contract.unstartable import Unstartable

    settings = settings_with(state_dir=state_dir)
    try:
        workers.require_packages()
        asyncio.run(workers.work(settings, voice(settings)))
    except (CatalogueUnreadable, Unstartable) as error:
        fail(str(error))


@cli.command()
def courier(state_dir: StateDir = None) -> None:
    """Starts a courier, which delivers webhooks, and starts it again when it ends by itself."""
    import asyncio

    from app import workers
    from app.contract.unstartable import Unstartable

    settings = settings_with(state_dir=state_dir)
    try:
        asyncio.run(workers.deliver(settings, voice(settings)))
    except Unstartable as error:
        fail(str(error))


@cli.command()
def generate(  # noqa: PLR0913, PLR0917 - one for each option
    prompt: str,
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png, .jpg or .webp file.")],
    url: Annotated[str, typer.Option(envvar="DARKROOM_URL")] = "http://127.0.0.1:8000",
    key: Annotated[str | None, typer.Option(envvar="DARKROOM_API_KEY", help="An API key, if it asks for one.")] = None,
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
        pictures = develop(Client(url, key), output, asked, timeout)
    except GenerationStopped as error:
        fail(str(error))
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
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(CANCELED_BY_HAND) from None


@cli.command()
def env() -> None:
    """Prints every setting with its default, as a file .env."""
    from app.contract.env_example import env_example

    typer.echo(env_example(), nl=False)


if __name__ == "__main__":
    main()
