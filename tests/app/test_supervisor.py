import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.app.processes import is_alive, wait_until


@dataclass
class Supervised:
    """A supervisor in a process of its own, and what its children have written."""

    process: subprocess.Popen[str]
    journal: Path

    def events(self, of: str = "") -> list[str]:
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [" ".join(line.split()[:2]) for line in lines if line.startswith(of)]

    def starts(self, name: str) -> list[tuple[int, str]]:
        """The process id and the name of each life of a child."""
        lines = (line.split() for line in self.journal.read_text().splitlines())
        return [(int(pid), life) for who, event, pid, life in lines if (who, event) == (name, "starts")]

    def stop(self) -> str:
        self.process.terminate()
        return self.process.communicate(timeout=20)[0]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    started = []

    def start(*names: str) -> Supervised:
        journal = tmp_path / "journal"
        command = [sys.executable, "-m", "tests.app.supervised", str(journal), *names]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        started.append(process)
        supervised = Supervised(process, journal)
        wait_until(lambda: len(supervised.events()) == len(names))
        return supervised

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_child_that_dies_is_buried_and_starts_again_under_a_new_name(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise("child")
    [(pid, life)] = supervised.starts("child")

    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(supervised.starts("child")) == 2)

    assert supervised.events() == ["child starts", "child buried", "child starts"]
    assert supervised.starts("child")[1][1] != life
    assert "child was ended by a signal: Killed; it starts again in 0.2 s" in supervised.stop()


def test_children_stop_in_the_reverse_order_of_their_start(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise("first", "second", "third")

    supervised.stop()

    assert supervised.events()[3:] == ["third stops", "second stops", "first stops"]
    assert supervised.process.returncode == 0


def test_a_child_that_does_not_stop_is_killed_after_its_grace(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise("first", "stubborn-impatient")
    [(pid, _)] = supervised.starts("stubborn-impatient")

    said = supervised.stop()

    assert supervised.events()[2:] == ["stubborn-impatient stops", "first stops"]
    assert "stubborn-impatient is killed" in said
    assert not is_alive(pid)


def test_a_second_ctrl_c_hurries(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise("stubborn")
    [(pid, _)] = supervised.starts("stubborn")

    os.killpg(supervised.process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    wait_until(lambda: "stubborn stops" in supervised.events())
    assert is_alive(pid)
    os.killpg(supervised.process.pid, signal.SIGINT)

    assert supervised.process.wait(10) == 0
    assert not is_alive(pid)


def test_a_child_is_asked_twice_before_it_is_killed_in_a_hurry(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise("reluctant")

    os.killpg(supervised.process.pid, signal.SIGINT)
    wait_until(lambda: "reluctant stops" in supervised.events())
    os.killpg(supervised.process.pid, signal.SIGINT)
    said = supervised.process.communicate(timeout=10)[0]

    assert supervised.events() == ["reluctant starts", "reluctant stops", "reluctant stops"]
    assert "is killed" not in said


def test_no_child_outlives_a_supervisor_that_is_killed(supervise: Callable[..., Supervised]) -> None:
    supervised = supervise("first", "stubborn")
    pids = [supervised.starts(name)[0][0] for name in ("first", "stubborn")]

    supervised.process.kill()

    wait_until(lambda: not any(map(is_alive, pids)))
