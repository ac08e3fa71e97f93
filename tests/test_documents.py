import re
from pathlib import Path

from app.contract.env_example import env_example
from app.contract.settings import Settings

ROOT = Path(__file__).parents[1]


def test_the_example_of_the_settings_is_what_darkroom_env_prints() -> None:
    assert (ROOT / ".env.example").read_text() == env_example()


def test_the_example_gives_the_defaults_when_its_settings_are_uncommented(tmp_path: Path) -> None:
    env = tmp_path / ".env"

    env.write_text(re.sub(r"^# (DARKROOM_\w+=)", r"\1", env_example(), flags=re.MULTILINE))

    assert Settings(_env_file=env) == Settings(_env_file=None)  # type: ignore[call-arg]


def test_every_file_that_the_readme_names_is_there() -> None:
    text = (ROOT / "README.md").read_text()
    named = re.findall(r"(?:app|worker|tests|docs|benchmarks|deploy)/[\w./-]*\w/?", text)

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
