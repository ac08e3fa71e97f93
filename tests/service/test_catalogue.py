import base64
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from tests.service.conftest import Service
from tests.worker.lab import EDGES, IMAGE, MASK
from tests.worker.tiny_catalogue import write_catalogue


@pytest.fixture
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with a catalogue of the operator's own."""
    catalogue = write_catalogue(tmp_path_factory.mktemp("catalogue"))
    service = Service(tmp_path_factory.mktemp("t"), DARKROOM_CATALOGUE=str(catalogue))
    yield service
    service.stop()


def text(picture: Image.Image) -> str:
    file = BytesIO()
    picture.save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def test_what_an_operator_adds_to_a_model_is_there_for_its_callers(tiny: Service) -> None:
    def opened(**asked: Any) -> Any:
        return Image.open(BytesIO(tiny.picture(prompt="a cat", seed=5, width=16, height=16, **asked)))

    loras = [{"name": "ink", "scale": 0.5}, {"name": "wash"}]
    control = {"name": "edges", "image": text(EDGES)}
    pictures = [
        opened(),
        opened(loras=loras),
        opened(loras=loras, control=control),
        opened(loras=loras, image=text(IMAGE)),
        opened(loras=loras, image=text(IMAGE), mask=text(MASK), control=control),
    ]
    recipe = json.loads(pictures[1].text["darkroom"])
    again = Image.open(BytesIO(tiny.picture(**recipe)))
    refused = tiny.http.post("/v1/jobs", json={"prompt": "a cat", "loras": [{"name": "oil"}]})

    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert again.tobytes() == pictures[1].tobytes()
    assert refused.status_code == 422
    assert refused.json()["error"]["param"] == "loras.0.name"
    assert "it has ink, wash, broken" in refused.json()["detail"]
