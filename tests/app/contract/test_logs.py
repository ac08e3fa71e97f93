import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PROGRAM = f"""
import logging, sys, threading, warnings
from app.contract import logs, tracing

def fail():
    try:
        int("a secret wish")
    except ValueError as error:
        raise ExceptionGroup("a secret group", [RuntimeError("a secret fear")]) from error

logs.set_up(*sys.argv[1:])
ours, theirs = logging.getLogger("worker.task"), logging.getLogger("httpx")
theirs.setLevel(logging.DEBUG)
theirs.info("a secret address")
ours.info("This is %s.", "told", extra={{"facts": {{"seconds": 1.5}}}})
with logs.about(job_id="a"):
    logs.note(model="mini")
    tracing.current.set("00-{TRACE}-{SPAN}-01")
    ours.warning("Two\\nlines.")
logs.note(model="of nobody")
tracing.current.set(None)
try:
    fail()
except ExceptionGroup:
    theirs.exception("It failed.")
warnings.warn("An old way.")
thread = threading.Thread(target=fail, name="a thread")
thread.start()
thread.join()
raise RuntimeError("CUDA is not there.")
"""


@cache
def told(log_format: str, level: str = "info") -> str:
    """What a process says that logs all that can be logged."""
    command = [sys.executable, "-c", PROGRAM, log_format, level]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in told("json").splitlines()]


def test_each_line_says_in_json_when_and_where_what_was_logged(lines: list[dict[str, Any]]) -> None:
    first = lines[0]

    assert abs(datetime.now(UTC) - datetime.fromisoformat(first.pop("time"))) < timedelta(minutes=1)
    assert first == {"level": "info", "logger": "worker.task", "message": "This is told.", "seconds": 1.5}


def test_a_line_says_what_its_context_is_about_and_where_its_trace_is(lines: list[dict[str, Any]]) -> None:
    second = lines[1]

    del second["time"]
    where = {"job_id": "a", "model": "mini", "trace_id": TRACE, "span_id": SPAN}
    assert second == {"level": "warning", "logger": "worker.task", "message": "Two\nlines.", **where}
    assert not any("model" in line for line in lines if line is not second)


def test_of_an_exception_only_the_types_and_the_stacks_are_told(lines: list[dict[str, Any]]) -> None:
    failed, ended = (next(line for line in lines if line["message"] == text) for text in MESSAGES)

    for line in (failed, ended):
        types = [text for text in line["exception"].splitlines() if not text.startswith(" ")]
        assert types == ["builtins.ValueError", "builtins.RuntimeError", "builtins.ExceptionGroup"]
        assert "in fail" in line["exception"]


MESSAGES = ("It failed.", "a thread has ended.")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_format_tells_what_a_library_says_in_confidence_or_an_exception_may_hold(log_format: str) -> None:
    assert "secret" not in told(log_format)


def test_whatever_ends_the_process_is_told_whole(lines: list[dict[str, Any]]) -> None:
    assert (lines[-1]["level"], lines[-1]["message"].splitlines()[-1]) == (
        "critical",
        "RuntimeError: CUDA is not there.",
    )
    assert told("text").splitlines()[-1] == "RuntimeError: CUDA is not there."


def test_a_warning_of_python_is_a_line_too(lines: list[dict[str, Any]]) -> None:
    assert any(line["logger"] == "py.warnings" and "An old way." in line["message"] for line in lines)


def test_without_being_asked_nobody_is_informed() -> None:
    assert "This is told." not in told("text", "warning")
    assert "WARNING worker.task: Two\nlines." in told("text", "warning")
