from io import BytesIO

from PIL import Image

from tests.app.told import told
from tests.service.conftest import Service

CAT = "a cat wearing a space helmet"


def test_a_picture_is_watched_while_it_develops(service: Service) -> None:
    job = service.post(prompt=CAT, num_inference_steps=40, previews=2, num_images=2)

    with service.http.stream("GET", job["urls"]["events"]) as answer:
        events = list(told(answer.iter_lines()))

    kinds = [event["event"] for event in events]
    previews = [event["data"] for event in events if event["event"] == "preview"]
    progress = [event["data"]["step"] for event in events if event["event"] == "progress"]
    pictures = [Image.open(BytesIO(service.http.get(each["url"]).content)) for each in previews]
    assert (kinds[:2], kinds[-1]) == (["queued", "started"], "succeeded")
    assert set(kinds[2:-1]) == {"preview", "progress"}
    assert progress == sorted(progress)
    assert [each["step"] for each in previews] == sorted(each["step"] for each in previews)
    assert 1 <= len(previews) <= 2
    assert {(picture.format, picture.width // picture.height) for picture in pictures} == {("WEBP", 2)}
    assert events[-1]["data"] == service.job(job["id"])
    assert service.http.get(job["urls"]["events"], headers={"last-event-id": events[-1]["id"]}).status_code == 204


def test_a_picture_is_made_within_one_request_by_who_waits(service: Service) -> None:
    body = {"prompt": CAT, "num_inference_steps": 2}

    answer = service.http.post("/v1/jobs", json=body, headers={"prefer": "wait=30"})

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert service.image(answer.json())
