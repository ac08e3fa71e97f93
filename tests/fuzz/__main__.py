"""Sends thousands of drawn requests to a running service: `python -m tests.fuzz [--examples N] [--seed N]`."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="of each operation and phase")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))  # noqa: S311
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = fuzz(Path(folder), options.examples, options.seed)
    print(report.text)  # noqa: T201 - what it is for
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
