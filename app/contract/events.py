"""What happens to a job. The script that makes it happen writes it into the job's stream and tells it at once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from app.contract import names
from app.contract.job import JobRecord
from app.contract.outbox import with_post

TELL = Path(__file__).with_name("scripts") / "tell.lua"
ID_PATTERN = r"^[0-9]{1,20}-[0-9]{1,20}$"
ID_PART_MAX = 2**63 - 1  # Redis goes twice as far and refuses to read what comes after its last id


class EventType(StrEnum):
    QUEUED = "queued"
    STARTED = "started"
    PROGRESS = "progress"
    PREVIEW = "preview"
    REQUEUED = "requeued"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    SNAPSHOT = "snapshot"  # in no stream: it stands for events that are not kept any more
    PING = "ping"  # in no stream: nothing has happened for a while


LAST = {EventType.SUCCEEDED, EventType.FAILED, EventType.CANCELED, EventType.EXPIRED}


class EventId(NamedTuple):
    """The id of an entry in the job's stream: Redis's clock, and a number."""

    milliseconds: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "EventId":
        """Reads what matches ID_PATTERN."""
        milliseconds, number = (min(int(part), ID_PART_MAX) for part in text.split("-"))
        return cls(milliseconds, number)

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.number}"


@dataclass(frozen=True)
class Event:
    """One thing that happened to a job; `record` is the job after a last event or a snapshot."""

    id: EventId
    type: str  # another version may tell more than this one
    data: Mapping[str, Any]
    record: JobRecord | None = None

    @classmethod
    def of_entry(cls, entry_id: bytes, fields: Mapping[bytes, bytes]) -> "Event":
        """Reads an entry of the stream."""
        return cls(EventId.parse(entry_id.decode()), fields[b"type"].decode(), json.loads(fields[b"data"]))

    @classmethod
    def of_message(cls, message: bytes) -> "Event":
        """Reads what the channel says."""
        entry_id, kind, data = message.split(b" ", 2)
        return cls(EventId.parse(entry_id.decode()), kind.decode(), json.loads(data))

    @property
    def is_last(self) -> bool:
        """Whether the job has ended with it."""
        return self.type in LAST or (self.record is not None and self.record.status.is_terminal)


def with_tell(script: Path) -> str:
    """The script's text behind that of `count` and `tell(id, event, data)`, by which it tells what it does to a job."""
    prefix = f"local events, tally = '{names.EVENTS_PREFIX}', '{names.TALLY}'\n"
    return with_post(prefix + TELL.read_text() + script.read_text())
