"""`darkroom keys`: makes, lists and revokes API keys; it imports what it needs when it runs."""

# ruff: noqa: PLC0415 - what a command does not need costs a second of start-up

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.terminal import fail, settings_with, what_is_wrong

if TYPE_CHECKING:
    from app.contract.keys import Key, KeyStore

commands = typer.Typer(no_args_is_help=True, help="API keys: who may use the service, and how much.")

StateDir = Annotated[Path | None, typer.Option(help="Where Redis and the pictures live; default ./state.")]
Answer = TypeVar("Answer")


@commands.command()
def create(  # noqa: PLR0913, PLR0917 - one for each option
    name: Annotated[str, typer.Option(help="Whose it is, for the list.")],
    scope: Annotated[list[str], typer.Option(help="read, submit or admin; may be repeated.")] = ["read", "submit"],  # noqa: B006
    tenant: Annotated[str | None, typer.Option(help="Shares the jobs of another key; default: a new tenant.")] = None,
    requests_per_minute: int | None = None,
    max_jobs: Annotated[int | None, typer.Option(help="Jobs that have not ended.")] = None,
    max_queued: Annotated[int | None, typer.Option(help="Jobs that wait.")] = None,
    pixels_per_day: Annotated[int | None, typer.Option(help="Of all pictures that are asked for; UTC days.")] = None,
    expires: Annotated[datetime | None, typer.Option(help="UTC; default: never.")] = None,
    state_dir: StateDir = None,
) -> None:
    """Makes an API key and shows it, this once."""
    from datetime import UTC

    from pydantic import ValidationError

    from app.contract.keys import Scope
    from app.contract.limits import Limits

    try:
        scopes = frozenset(map(Scope, scope))
    except ValueError as error:
        fail(f"--scope: {error}; there are {', '.join(Scope)}.")
    bounds = {"requests_per_minute": requests_per_minute, "max_jobs": max_jobs, "max_queued": max_queued}
    until = expires.replace(tzinfo=UTC) if expires else None
    try:
        limits = Limits(**bounds, pixels_per_day=pixels_per_day)
        key, text = _with_keys(
            lambda keys: keys.create(name, scopes, limits, tenant=tenant, expires_at=until), state_dir
        )
    except ValidationError as error:
        fail(what_is_wrong(error, lambda field: f"--{field.replace('_', '-')}"))
    typer.echo(f"Key {key.id} of tenant {key.tenant}; it is shown only now:", err=True)
    typer.echo(text)


@commands.command(name="list")
def list_(state_dir: StateDir = None) -> None:
    """Lists the API keys, without what opens."""
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "name", "tenant", "scopes", "limits", "created", "last used", "state", box=None)
    for key in _with_keys(lambda keys: keys.all(), state_dir):
        limits = ", ".join(f"{name}={bound}" for name, bound in key.limits if bound)
        moments = (_moment(key.created_at), _moment(key.used_at))
        table.add_row(key.id, key.name, key.tenant, ", ".join(sorted(key.scopes)), limits, *moments, _state(key))
    Console(width=None if Console().is_terminal else 200).print(table)


@commands.command()
def revoke(key_id: str, state_dir: StateDir = None) -> None:
    """Ends an API key, by its id; the API refuses it within seconds."""
    from app.contract.errors import KeyInvalid

    try:
        _with_keys(lambda keys: keys.revoke(key_id), state_dir)
    except KeyInvalid:
        fail(f"There is no key {key_id}: `darkroom keys list` shows the ids.")
    typer.echo(f"Key {key_id} is revoked.")


def _with_keys(ask: "Callable[[KeyStore], Awaitable[Answer]]", state_dir: Path | None) -> Answer:
    """Asks the keys of Redis, which is started for the moment if it is the embedded one and Darkroom does not run."""
    import asyncio

    from app.contract.errors import RedisUnavailable
    from app.contract.keys import KeyStore
    from app.contract.unstartable import Unstartable
    from app.redis_client import connect
    from app.redis_server import embedded_redis

    settings = settings_with(state_dir=state_dir)

    async def answer() -> Answer:
        async with connect(settings.redis_address) as client, embedded_redis(settings, client):
            return await ask(KeyStore(client))

    try:
        return asyncio.run(answer())
    except (RedisUnavailable, Unstartable) as error:
        fail(str(error))


def _state(key: "Key") -> str:
    if key.revoked_at:
        return f"revoked {_moment(key.revoked_at)}"
    if not key.is_in_force:
        return f"expired {_moment(key.expires_at)}"
    return f"until {_moment(key.expires_at)}" if key.expires_at else "in force"


def _moment(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"
