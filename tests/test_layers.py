import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST_FILE = 300


def sources() -> list[Path]:
    return [path for package in ("app", "worker", "tests", "benchmarks") for path in (ROOT / package).rglob("*.py")]


def test_every_package_imports_only_what_its_layer_may() -> None:
    command = str(Path(sys.executable).with_name("lint-imports"))
    checked = subprocess.run([command], check=False, cwd=ROOT, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout


def test_no_file_is_longer_than_300_lines() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in sources()}

    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_the_front_end_starts_without_torch_diffusers_the_worker_or_what_traces() -> None:
    heavy = "{'torch', 'diffusers', 'transformers', 'worker', 'PIL', 'app.contract.otlp'} & set(sys.modules)"
    program = f"import sys, app.main, app.cli; app.main.create(); print({heavy} or 'none')"

    seen = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert seen.stdout.strip() == "none"


def test_only_the_pipelines_and_the_training_import_diffusers() -> None:
    homes = (ROOT / "worker" / "pipelines", ROOT / "worker" / "training")
    product = [path for package in ("app", "worker") for path in (ROOT / package).rglob("*.py")]

    strangers = [
        path
        for path in product
        if "import diffusers" in (text := path.read_text()) or "from diffusers" in text
        if not any(home in path.parents for home in homes)
    ]

    assert strangers == []
