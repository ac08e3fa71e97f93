"""Reads server-sent events as their specification has them; comments are left out."""

import json
from collections.abc import Iterator
from typing import Any

Told = dict[str, Any]


def told(lines: Iterator[str]) -> Iterator[Told]:
    event: Told = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            event[name] = json.loads(value) if name == "data" else value
        elif "event" in event:
            yield event
            event = {}
