"""How every process logs: lines for people, or one JSON object a line.

The message of an exception may hold a prompt, an address or a secret: of an exception, a line shows the types and the
stacks. Libraries are heard from warnings on: httpx would tell the addresses of webhooks.
"""

import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from app.contract import tracing

OURS = ("app", "worker")
_facts: ContextVar[dict[str, Any] | None] = ContextVar("facts", default=None)


class _Lines(logging.Formatter):
    """For people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        return "".join(_stacks(ei[1]))


class JsonLines(_Lines):
    """For programs: with what the context is about, and where its trace is."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(_facts.get() or {}),
            **getattr(record, "facts", {}),
        }
        if traceparent := tracing.current.get():
            _, line["trace_id"], line["span_id"], _ = traceparent.split("-")
        if record.exc_info and record.exc_info[1]:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up(log_format: str, level: str) -> None:
    """Has this process log to its standard error; what ends a thread or the process is logged, too."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if log_format == "json" else _Lines())
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.split(".")[0] in OURS)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    logging.captureWarnings(log_format == "json")
    sys.excepthook = _tell_of_the_end
    threading.excepthook = _tell_of_a_thread


def line(name: str, message: str) -> str:
    """A line of JSON for what is said whatever the level."""
    said = {"name": name, "msg": message, "levelno": logging.INFO, "levelname": "INFO"}
    return JsonLines().format(logging.makeLogRecord(said))


@contextmanager
def about(**facts: Any) -> Iterator[dict[str, Any]]:
    """What every line that is logged in this context is about; who is in it may note more."""
    token = _facts.set(facts)
    try:
        yield facts
    finally:
        _facts.reset(token)


def note(**facts: Any) -> None:
    """Adds to what this context is about."""
    if (known := _facts.get()) is not None:
        known |= facts


def _stacks(error: BaseException) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for inner in (*([cause] if cause else []), *getattr(error, "exceptions", ())):
        yield from _stacks(inner)
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"


def _tell_of_the_end(kind: type[BaseException], error: BaseException, stack: TracebackType | None) -> None:
    """Logs the message, too: no prompt passes by the main thread of a process, and it may say what is missing."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, stack)
        return
    logging.getLogger("app").critical("".join(traceback.format_exception(error)).rstrip())


def _tell_of_a_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value and not isinstance(ended.exc_value, SystemExit):
        name = ended.thread.name if ended.thread else "A thread"
        logging.getLogger("app").error("%s has ended.", name, exc_info=ended.exc_value)
