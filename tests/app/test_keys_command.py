import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import redis.asyncio
from redis import Redis
from typer.testing import CliRunner, Result

from app.contract.key_text import id_of
from app.contract.keys import Key, KeyStore, Scope
from app.contract.settings import Settings
from app.keys_command import commands
from tests.app.test_cli import darkroom

Keys = Callable[..., Result]


@pytest.fixture
def keys(redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Keys:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DARKROOM_REDIS_URL", redis_url)
    return lambda *words: CliRunner().invoke(commands, words)


def known(redis_url: str, text: str) -> Key:
    async def authenticate() -> Key:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            return await KeyStore(client).authenticate(text)

    return asyncio.run(authenticate())


def test_a_new_key_is_all_that_is_written_to_the_standard_output(keys: Keys, redis_url: str) -> None:
    limits = ["--requests-per-minute", "60", "--max-jobs", "8", "--max-queued", "4", "--pixels-per-day", "1000000"]

    made = keys("create", "--name", "mine", *limits, "--scope", "read", "--tenant", "me", "--expires", "2999-01-01")

    key = known(redis_url, made.stdout.strip())
    assert made.exit_code == 0
    assert (key.name, key.tenant, key.scopes, f"{key.expires_at:%Y %z}") == (
        "mine",
        "me",
        frozenset({Scope.READ}),
        "2999 +0000",
    )
    assert [bound for _, bound in key.limits] == [60, 8, 4, 1_000_000]
    assert made.stdout.strip() not in made.stderr


def test_a_key_may_read_and_submit_unless_it_is_told_otherwise(keys: Keys, redis_url: str) -> None:
    key = known(redis_url, keys("create", "--name", "mine").stdout.strip())

    assert key.scopes == {Scope.READ, Scope.SUBMIT}
    assert not any(bound for _, bound in key.limits)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--scope", "root"], "--scope: 'root'"),
        (["--tenant", "open"], "--tenant: "),
        (["--tenant", "A B"], "--tenant: "),
        (["--max-jobs", "0"], "--max-jobs: "),
        (["--pixels-per-day", "-1"], "--pixels-per-day: "),
        (["--name", ""], "--name: "),
    ],
)
def test_a_wrong_option_is_named_and_no_key_is_made(keys: Keys, redis: Redis, words: list[str], named: str) -> None:
    made = keys("create", "--name", "mine", *words)

    assert (made.exit_code, made.stdout) == (1, "")
    assert made.stderr.startswith(named)
    assert list(redis.scan_iter()) == []


def test_the_list_shows_each_key_and_nothing_that_opens(keys: Keys) -> None:
    first, second = (keys("create", "--name", name, "--max-jobs", "8").stdout.strip() for name in ("mine", "yours"))
    keys("revoke", str(id_of(first)))

    listed = keys("list").stdout

    lines = [re.split(r"  +", line.strip()) for line in listed.splitlines()]
    assert [line[:2] for line in lines[1:]] == [[id_of(first), "mine"], [id_of(second), "yours"]]
    assert [line[-1].split()[0] for line in lines[1:]] == ["revoked", "in"]
    assert "max_jobs=8" in lines[1]
    assert first[16:] not in listed


def test_a_key_that_is_not_there_cannot_be_revoked(keys: Keys) -> None:
    ended = keys("revoke", "none")

    assert (ended.exit_code, ended.stderr) == (1, "There is no key none: `darkroom keys list` shows the ids.\n")


def test_a_redis_that_does_not_answer_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    monkeypatch.setenv("DARKROOM_REDIS_URL", "unix:///nowhere/redis.sock")

    assert keys("list").stderr == "Redis does not answer.\n"


def test_a_key_can_be_made_before_the_first_start(tmp_path: Path) -> None:
    made = darkroom("keys", "create", "--name", "mine", folder=tmp_path)
    listed = darkroom("keys", "list", folder=tmp_path)

    assert id_of(made.stdout.strip())
    assert str(id_of(made.stdout.strip())) in listed.stdout
    assert not Settings(state_dir=tmp_path / "state").redis_socket.exists()


@pytest.mark.parametrize("command", ["up", "api"])
def test_an_api_that_others_could_reach_does_not_start_without_a_key(
    tmp_path: Path, redis_url: str, command: str
) -> None:
    environment = {"DARKROOM_REDIS_URL": redis_url, "DARKROOM_HOST": "0.0.0.0", "DARKROOM_PORT": "0"}  # noqa: S104

    ended = darkroom(command, folder=tmp_path, **environment)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Others can reach 0.0.0.0 and there is no API key: make one with `darkroom keys")
