"""Kills what can be killed, and counts: `python -m tests.chaos [--short] [--seed N] [--case NAME ...]`.

Each case has a Redis and workers of its own; what comes out is one table, and status 1 if anything did not hold.
"""

import argparse
import random
import sys
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tests.chaos.cases import CASES, ONLY_LONG, play
from tests.chaos.form import LONG, SHORT
from tests.chaos.verdict import table

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help="less of everything and nothing with the embedded model, as in CI"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="when the faults come")  # noqa: S311
    parser.add_argument("--case", action="append", choices=[*CASES, *ONLY_LONG], help="only these")
    options = parser.parse_args()
    form = SHORT if options.short else LONG
    console = Console(stderr=True)
    console.print(f"seed {options.seed}")
    with Progress(*COLUMNS, console=console) as bars:
        names = options.case or (CASES if options.short else [*CASES, *ONLY_LONG])
        tasks = {name: bars.add_task(name, total=None) for name in names}
        tell = partial(_tell, bars, tasks)
        verdicts = list(play(names, form, options.seed, tell))
    print(table(verdicts))  # noqa: T201 - what it is for
    for verdict in verdicts:
        for complaint in verdict.sentences():
            print(f"\n{verdict.case}: {complaint}")  # noqa: T201
    return 0 if all(verdict.holds for verdict in verdicts) else 1


def _tell(bars: Progress, tasks: dict[str, TaskID], name: str, ended: int, jobs: int) -> None:
    bars.update(tasks[name], completed=ended, total=jobs)


if __name__ == "__main__":
    sys.exit(main())
