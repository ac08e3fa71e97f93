from pathlib import Path

import pytest

from app.gpus import visible_gpus


def test_each_folder_of_the_driver_is_a_gpu(tmp_path: Path) -> None:
    for bus in ("0000:07:00.0", "0000:0f:00.0"):
        (tmp_path / bus).mkdir()

    assert visible_gpus(None, tmp_path) == ["0", "1"]
    assert visible_gpus(None, tmp_path / "without") == []


@pytest.mark.parametrize(
    ("chosen", "expected"), [("", []), ("-1", []), ("2, 0", ["2", "0"]), ("GPU-1f,MIG-2", ["GPU-1f", "MIG-2"])]
)
def test_what_is_chosen_already_counts(tmp_path: Path, chosen: str, expected: list[str]) -> None:
    (tmp_path / "0000:07:00.0").mkdir()

    assert visible_gpus(chosen, tmp_path) == expected
