import re
from pathlib import Path

from app.contract.settings import Settings

ROOT = Path(__file__).parents[1]


def test_every_setting_stands_with_its_default_in_the_example() -> None:
    stated = dict(re.findall(r"^# (DARKROOM_\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))

    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert stated == {
        f"DARKROOM_{name.upper()}": str("" if value is None else value) for name, value in defaults.items()
    }


def test_every_file_that_the_readme_names_is_there() -> None:
    text = (ROOT / "README.md").read_text()
    named = re.findall(r"(?:app|worker|tests|docs|benchmarks|deploy)/[\w./-]*\w/?", text)

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
