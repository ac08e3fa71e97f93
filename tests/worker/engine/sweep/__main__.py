"""Every pipeline class that there is a tiny configuration of, with every option it has, in company against alone.

    python -m tests.worker.engine.sweep [--diffusers FOLDER] [--only NAME ...] [--plain] [--refused] [--seed NUMBER]

Each class by itself, then all of a family at once, over the same modules. FOLDER is diffusers' source (`git clone
--depth 1 --branch v0.42.1 https://github.com/huggingface/diffusers`), whose own tests have 232 configurations; without
it the project's own are swept. It exits with 1 if a result differs by more than 1e-4 from the stock pipeline's alone,
if the stock pipeline takes none of a class's requests, if a class cannot be had for another reason than those known, or
if nothing was swept.
"""

import argparse
import contextlib
import functools
import itertools
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import torch

from tests.worker.engine.sweep.company import bring_together
from tests.worker.engine.sweep.configurations import Configuration, of_diffusers, ours
from tests.worker.engine.sweep.families import requests_of
from tests.worker.engine.sweep.report import HEAD, Row, refusals, summary
from tests.worker.engine.sweep.request import Request
from tests.worker.engine.sweep.variations import variations

PLAIN = 3  # requests with other steps, prompts and guidance, and nothing else
SLOW = 2.0  # seconds alone from which on a class is swept with plain requests only


def by_itself(configuration: Configuration, is_plain: bool, chance: Random) -> Row:
    try:
        pipeline = configuration.build()
        requests = [*variations(configuration, pipeline)][: PLAIN if is_plain else None]
    except Exception as error:  # whatever its tiny configuration needs
        return Row(configuration.name, 1, lack=f"cannot be had: {error!r}")
    if not is_plain and seconds_of(requests[0]) > SLOW:
        requests = requests[:PLAIN]
    return met(configuration.name, 1, requests, chance)


def met(name: str, classes: int, requests: Sequence[Request], chance: Random) -> Row:
    try:
        meeting = bring_together(requests, chance)
        if meeting.differences:
            return Row(name, classes, len(requests), meeting)
        refusal = next(iter(meeting.refused.values()))
        return Row(name, classes, lack=f"the stock pipeline takes none of the requests: {refusal!r}")
    except Exception as error:  # one that the engine cannot take, or never ends, must not end the sweep
        return Row(name, classes, lack=f"does not come together: {error!r}")


def seconds_of(request: Request) -> float:
    """Returns the processor seconds that a request takes alone."""
    started = time.process_time()
    with torch.no_grad(), contextlib.suppress(Exception):  # what fails here is told by the comparison
        request.pipeline(**request.arguments())
    return time.process_time() - started


def rows(found: Iterator[Configuration], options: argparse.Namespace) -> Iterator[Row]:
    def chance(name: str) -> Random:
        return Random(f"{options.seed} {name}")  # noqa: S311 - it is to repeat

    for family, members in itertools.groupby(found, key=lambda configuration: configuration.family):
        swept: list[Configuration] = []
        for configuration in members:
            row = by_itself(configuration, options.plain, chance(configuration.name))
            yield row
            if row.meeting and row.requests > PLAIN:
                swept.append(configuration)
        if len(swept) > 1:
            requests = requests_of(swept, chance(family))
            yield met(f"{family}, {len(swept)} classes at once", len(swept), requests, chance(family))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--diffusers", type=Path)
    parser.add_argument("--only", nargs="*", default=[""], help="parts of names")
    parser.add_argument("--plain", action="store_true", help="only other steps, prompts and guidance")
    parser.add_argument("--refused", action="store_true", help="tell what the stock pipeline itself refuses, and why")
    parser.add_argument("--seed", type=int, default=0, help="of what is left to chance")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    found = of_diffusers(options.diffusers, options.only) if options.diffusers else ours(options.only)
    say = functools.partial(print, sep="\n", flush=True)
    say(HEAD)
    seen = []
    for row in rows(found, options):
        seen.append(row)
        say(row, *(refusals(row) if options.refused else ()))
    say("", *summary(seen), f"{time.process_time() / 60:.1f} processor minutes.")
    raise SystemExit(not seen or any(row.failure for row in seen))


if __name__ == "__main__":
    main()
