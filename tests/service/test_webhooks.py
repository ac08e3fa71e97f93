from standardwebhooks import Webhook

from tests.service.conftest import Service
from tests.worker.receiver import Receiver


def test_the_end_of_a_job_is_told_to_whoever_asked_to_hear_of_it(service: Service, receiver: Receiver) -> None:
    endpoint = service.http.post("/v1/webhook_endpoints", json={"url": f"{receiver.url}/all"}).json()
    own_secret = service.http.get("/v1/webhooks/default/secret").json()["secret"]

    body = {"prompt": "a cat wearing a space helmet", "num_inference_steps": 2}
    job = service.ended(service.post(**body, webhook={"url": f"{receiver.url}/one"})["id"])
    service.wait_for(lambda: {"/hook/one", "/hook/all"} <= {heard.path for heard in receiver.heard})
    service.http.delete(f"/v1/webhook_endpoints/{endpoint['id']}")

    [one], [other] = ([heard for heard in receiver.heard if heard.path == f"/hook/{name}"] for name in ("one", "all"))
    event = Webhook(own_secret).verify(one.body, one.headers)
    assert Webhook(endpoint["secret"]).verify(other.body, other.headers) == event
    assert (event["type"], event["data"]["id"]) == ("job.succeeded", job["id"])
    assert event["data"]["images"] == job["images"]
    delivered = service.http.get("/v1/webhook_deliveries", params={"status": "delivered"}).json()["data"]
    assert {each["id"] for each in delivered} >= {heard.headers["webhook-id"] for heard in (one, other)}
