"""Deploys Darkroom for real and measures what was promised: `python -m tests.deploy [CASE ...]`.

Each promise is a line with its figure; status 1 if one did not hold. It wants root on a Debian machine.
"""

import argparse
import sys

from tests.deploy.cases import CASES
from tests.deploy.report import heading, row
from tests.deploy.site import prepared


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.deploy", description=__doc__)
    parser.add_argument("case", nargs="*", help=f"only these of {', '.join(CASES)}")
    names = parser.parse_args().case or list(CASES)
    if unknown := set(names) - set(CASES):
        parser.error(f"There is no case {', '.join(sorted(unknown))}.")
    holds = True
    _say(heading())
    with prepared() as site:
        for name in names:
            for line in CASES[name](site):
                _say(row(name, line))
                holds &= line.holds
    return 0 if holds else 1


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    sys.exit(main())
