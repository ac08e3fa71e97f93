"""One run of schemathesis against a whole service, as a user starts it."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.service.conftest import Service

HERE = Path(__file__).parent
CASES = re.compile(r"(\d+) generated")


@dataclass(frozen=True)
class Report:
    """What came of a run."""

    text: str
    cases: int
    holds: bool


def fuzz(state_dir: Path, examples: int, seed: int) -> Report:
    """Sends requests drawn from `/openapi.json`, valid and not; makes every check that schemathesis has."""
    service = Service(state_dir, DARKROOM_CATALOGUE=str(HERE / "models.toml"), DARKROOM_MAX_QUEUED="1000000")
    try:
        program = str(Path(sys.executable).with_name("schemathesis"))
        described = f"{service.http.base_url}/openapi.json"
        command = [program, "--config-file", str(HERE / "schemathesis.toml"), "run", described]
        options = ["--checks", "all", "--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure"]
        ran = subprocess.run(
            [*command, *options, "--no-color"],
            check=False,
            cwd=state_dir,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "PYTHONPATH": str(HERE.parents[1])},
            stdout=subprocess.PIPE,
            text=True,
        )
    finally:
        service.stop()
    found = CASES.search(ran.stdout)
    return Report(ran.stdout, int(found[1]) if found else 0, ran.returncode == 0)
