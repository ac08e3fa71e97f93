import base64
import json
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.service.conftest import Service

CLIENT = Path(__file__).parents[1] / "clients" / "npm"


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client with OpenAI's package from npm's registry, in a folder of its own."""
    folder = tmp_path_factory.mktemp("npm") / "client"
    shutil.copytree(CLIENT, folder)
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    subprocess.run(command, cwd=folder, check=True, timeout=90)
    return folder


def size(b64_json: str) -> tuple[int, int]:
    return Image.open(BytesIO(base64.b64decode(b64_json))).size


@pytest.mark.timeout(240)  # npm's registry may be slow
def test_the_npm_package_generates_streams_edits_and_knows_errors(client: Path, service: Service) -> None:
    url = str(service.http.base_url.join("/v1"))

    ran = subprocess.run(["node", "client.mjs", url], cwd=client, check=True, stdout=subprocess.PIPE, timeout=60)

    told: dict[str, Any] = json.loads(ran.stdout)
    assert told["models"] == ["mini"]
    for answer in (told["generated"], told["edited"], told["editedOfTwo"]):
        assert [size(each["b64_json"]) for each in answer["data"]] == [(128, 128)]
    assert told["generated"]["data"][0]["seed"] == 7
    assert told["editedOfTwo"]["warnings"] == ["image: mini looks at 1 of the 2 pictures."]
    kinds = ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [each["type"] for each in told["streamed"]] == kinds
    assert size(told["streamed"][-1]["b64_json"]) == (128, 128)
    assert told["error"] == {"isBadRequest": True, "param": "size", "code": "invalid_value"}
