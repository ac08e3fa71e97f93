import subprocess
import sys
from pathlib import Path

import pytest

from app.contract.settings import Settings
from tests.app.processes import wait_until


def darkroom(*words: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "app.cli", *words]
    environment["PYTHONPATH"] = str(Path.cwd())
    return subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=60)


def test_the_command_starts_without_what_its_commands_need() -> None:
    heavy = {"fastapi", "uvicorn", "pydantic", "redis", "rq", "httpx", "asyncio", "worker", "torch"}
    program = f"import sys, app.cli; print(sorted({heavy} & set(sys.modules)))"

    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert seen.stdout == "[]\n"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("PORT", "many"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "redis://:pass/word@localhost:6379"),
        ("OTLP_ENDPOINT", "collector:4318"),
        ("SIGNING_SECRET", "password"),
        ("STORAGE_URL", "pictures"),
    ],
)
def test_a_wrong_setting_is_named_as_it_is_set(tmp_path: Path, setting: str, value: str) -> None:
    ended = darkroom("api", folder=tmp_path, **{f"DARKROOM_{setting}": value})

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith(f"DARKROOM_{setting}: ")
    assert value not in ended.stderr


def test_a_setting_that_is_empty_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DARKROOM_STORAGE_URL=\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DARKROOM_REDIS_URL", "")

    assert (Settings().redis_url, Settings().storage_url) == (None, None)


@pytest.mark.parametrize("command", ["up", "api"])
def test_a_catalogue_that_cannot_be_read_stops_the_start(tmp_path: Path, command: str) -> None:
    ended = darkroom(command, "--port", "0", folder=tmp_path, DARKROOM_CATALOGUE="none.toml")

    assert ended.returncode == 1
    assert ended.stderr == "The catalogue none.toml cannot be read: [Errno 2] No such file or directory: 'none.toml'\n"


def test_a_demo_that_fails_stops_all_that_it_started(tmp_path: Path) -> None:
    ended = darkroom("demo", "--patience", "0", folder=tmp_path, TMPDIR=str(tmp_path))

    assert ended.returncode == 1
    assert ended.stderr.endswith("No worker was warm within 0 s.\n")
    assert list(tmp_path.iterdir()) == []
    wait_until(lambda: not any(str(tmp_path) in line for line in commandlines()))


def commandlines() -> list[str]:
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((process / "cmdline").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return lines
