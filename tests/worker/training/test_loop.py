from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from worker.training.checkpoint import load_checkpoint
from worker.training.loop import Plan, learn, rate_at

PLAN = Plan(steps=12, batch=4, rate=1e-2, warmup=2, save_every=5)


class Killed(Exception):
    pass


def learn_a_line(folder: Path, dies_at: int | None = None) -> dict[str, Tensor]:
    torch.manual_seed(0)
    student = nn.ModuleDict({"line": nn.Linear(3, 1), "offset": nn.Linear(1, 1)})

    def loss_at(step: int) -> Tensor:
        if step == dies_at:
            raise Killed
        torch.manual_seed(step)
        x = torch.randn(PLAN.batch, 3)
        return (student["offset"](student["line"](x)) - x.sum(1, keepdim=True)).square().mean()

    average = learn("line", student, loss_at, PLAN, folder, slow={"offset": 0.5})
    return {"student." + key: value for key, value in student.state_dict().items()} | average.state_dict()


def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    uninterrupted = learn_a_line(tmp_path / "uninterrupted")
    with pytest.raises(Killed):
        learn_a_line(tmp_path / "killed", dies_at=8)

    resumed = learn_a_line(tmp_path / "killed")

    assert resumed.keys() == uninterrupted.keys()
    assert all(torch.equal(resumed[key], uninterrupted[key]) for key in resumed)


def test_a_finished_run_is_not_learned_again(tmp_path: Path) -> None:
    finished = learn_a_line(tmp_path)

    again = learn_a_line(tmp_path, dies_at=0)

    assert all(torch.equal(again[key], finished[key]) for key in again)


def test_an_unfinished_file_is_never_read(tmp_path: Path) -> None:
    learn_a_line(tmp_path)

    left = [path.name for path in tmp_path.iterdir()]

    assert left == ["line.safetensors"]
    assert load_checkpoint(tmp_path / "missing.safetensors", {}) == 0


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    plan = Plan(steps=1000, batch=1, rate=1.0, warmup=100, decay=0.3)

    rates = [rate_at(plan, step) for step in range(1001)]

    assert rates[0] == pytest.approx(0.01)
    assert rates[100:700] == pytest.approx([1.0] * 600)
    assert rates[700:] == sorted(rates[700:], reverse=True)
    assert rates[1000] == pytest.approx(0)
