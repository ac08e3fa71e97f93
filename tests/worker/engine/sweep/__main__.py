"""Every pipeline class that there is a tiny configuration of, with every option it has, in company against alone.

    python -m tests.worker.engine.sweep [--diffusers FOLDER] [--only NAME] [--plain]

FOLDER is diffusers' source (`git clone --depth 1 --branch v0.42.1 https://github.com/huggingface/diffusers`), whose own
tests have configurations of some 160 classes; without it the project's own are swept. It exits with 1 if a request's
result differs by more than 1e-4 from the stock pipeline's alone, if one of the project's own cannot be had, or if
nothing was swept.
"""

import argparse
import contextlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.worker.engine.sweep.company import Request, bring_together
from tests.worker.engine.sweep.configurations import Configuration, of_diffusers, ours
from tests.worker.engine.sweep.variations import variations

LIMIT = 1e-4
SLOW = 2.0  # seconds alone from which on a class is swept with plain requests only


def seconds_of(request: Request) -> float:
    """Returns the processor seconds that a request takes alone."""
    started = time.process_time()
    with torch.no_grad(), contextlib.suppress(Exception):  # what fails here is told by the comparison
        request.pipeline(**request.arguments())
    return time.process_time() - started


def line(configuration: Configuration, is_plain: bool) -> tuple[str, bool]:
    """Sweeps one configuration; returns its row of the table, and whether it is within the limit."""
    pipeline = configuration.build()
    requests = [*variations(configuration, pipeline)][: 3 if is_plain else None]
    if not is_plain and seconds_of(requests[0]) > SLOW:
        requests = requests[:3]
    meeting = bring_together(pipeline, requests)
    if not meeting.differences:
        return f"| {configuration.name} | the stock pipeline takes none of the {len(requests)} requests | | | |", True
    far = {name: f"{value:.1e}" for name, value in meeting.differences.items() if value > LIMIT}
    worst = meeting.differences[meeting.worst]
    compared = f"{len(meeting.differences)} of {len(requests)}"
    stepped = f"{meeting.stepped.module} {meeting.stepped.mean_rows:.2f}"
    return f"| {configuration.name} | {meeting.mode} | {stepped} | {compared} | {worst:.1e} {far or ''} |", not far


def lines(options: argparse.Namespace) -> Iterator[tuple[str, bool]]:
    found = of_diffusers(options.diffusers, options.only) if options.diffusers else ours()
    for configuration in found:
        if not isinstance(configuration, Configuration):
            yield "| {} | cannot be had: {!r} | | | |".format(*configuration), True
        elif options.diffusers or any(part in configuration.name for part in options.only):
            try:
                yield line(configuration, options.plain)
            except Exception as error:  # what one class lacks here must not end the sweep; of ours none lacks anything
                reason = str(error).strip()[:150]
                yield f"| {configuration.name} | cannot be had: {reason!r} | | | |", bool(options.diffusers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--diffusers", type=Path)
    parser.add_argument("--only", nargs="*", default=[""], help="parts of names")
    parser.add_argument("--plain", action="store_true", help="three requests with other steps, prompts and guidance")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    print("| pipeline | mode | mean rows | compared | largest difference |\n|---|---|---|---|---|", flush=True)  # noqa: T201 - what it is for
    verdicts = []
    for row, holds in lines(options):
        print(row, flush=True)  # noqa: T201
        verdicts.append(holds)
    raise SystemExit(not (verdicts and all(verdicts)))


if __name__ == "__main__":
    main()
