"""What the engine must not know, looked up in its source."""

import re
import subprocess
import sys
from pathlib import Path

ENGINE = Path(__file__).parents[3] / "worker" / "engine"


def test_no_model_and_no_field_of_a_model_is_named_in_the_engine() -> None:
    named = re.compile("sdxl|flux|guidance|prompt|height", re.IGNORECASE)

    found = [path.name for path in ENGINE.rglob("*.py") if named.search(path.read_text())]

    assert list(ENGINE.rglob("*.py"))
    assert found == []


def test_importing_the_engine_imports_no_model_library() -> None:
    strangers = "{'diffusers', 'transformers', 'redis', 'rq', 'fastapi', 'app'}"
    program = f"import sys, worker.engine; print({strangers} & set(sys.modules))"

    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert seen.stdout.strip() == "set()"


def test_only_the_engine_has_a_clock_or_a_thread_and_only_the_random_state_a_lock() -> None:
    timed = re.compile(r"^(?:import|from) (?:time|threading|asyncio|queue)\b", re.MULTILINE)

    found = {path.name for path in ENGINE.rglob("*.py") if timed.search(path.read_text())}

    assert found == {"engine.py", "randomness.py"}
