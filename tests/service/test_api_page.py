import json
import re
import subprocess
from pathlib import Path

from PIL import Image

from tests.service.conftest import Service

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_every_line_of_the_page_on_the_api_runs_as_it_stands(service: Service, tmp_path: Path) -> None:
    lines = "".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL))
    script = lines.replace("http://127.0.0.1:8000", str(service.http.base_url).rstrip("/"))

    ran = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
    )

    assert ran.returncode == 0, ran.stderr
    with Image.open(tmp_path / "cat.png") as cat:
        assert cat.size == (128, 128)
    for name in ("job.json", "house.json", "dog.json"):
        assert json.loads((tmp_path / name).read_text())["status"] == "succeeded"
    assert json.loads((tmp_path / "fish.json").read_text())["data"][0]["b64_json"]
    assert "event: succeeded" in ran.stdout
