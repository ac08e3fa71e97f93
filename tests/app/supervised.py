"""A supervisor of small programs, to be killed in tests: `python -m tests.app.supervised JOURNAL NAME...`."""

import asyncio
import os
import sys
from pathlib import Path

from app.supervisor import Program, Supervisor
from app.terminal import say

CHILD = """
import os, signal, sys, time
from pathlib import Path

journal, name, life = sys.argv[1:]

def write(event):
    with Path(journal).open("a") as lines:
        lines.write(f"{name} {event} {os.getpid()} {life}\\n")

asked_at = []

def stop(*_):
    write("stops")
    asked_at.append(time.monotonic())
    is_enough = "reluctant" not in name or asked_at[-1] - asked_at[0] > 1
    if is_enough and "stubborn" not in name:
        time.sleep(0.1)
        sys.exit()

signal.signal(signal.SIGTERM, stop)
write("starts")
while True:
    time.sleep(0.05)
"""


def program(name: str, journal: Path) -> Program:
    async def bury(life: str) -> None:
        with journal.open("a") as lines:
            lines.write(f"{name} buried 0 {life}\n")

    grace_s = 0.5 if "impatient" in name else 30.0
    return Program(name, lambda life: [sys.executable, "-c", CHILD, str(journal), name, life], grace_s, bury)


async def supervise(journal: Path, names: list[str]) -> None:
    supervisor = Supervisor(os.environ, say)
    supervisor.listen_to_signals()
    for name in names:
        supervisor.start([program(name, journal)])
    await supervisor.stopping.wait()
    await supervisor.stop()


if __name__ == "__main__":
    asyncio.run(supervise(Path(sys.argv[1]), sys.argv[2:]))
