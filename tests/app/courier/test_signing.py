import base64
import json
import time

import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from standardwebhooks import Webhook, WebhookVerificationError

from app.courier.signing import new_secret, sign

BODY = json.dumps({"id": "evt_1", "object": "event", "type": "job.succeeded", "data": {"prompt": "ünï"}}).encode()


def test_the_reference_library_takes_what_was_signed() -> None:
    secret = new_secret()

    headers = sign("msg_1", int(time.time()), BODY, [secret])

    assert Webhook(secret).verify(BODY, headers)["id"] == "evt_1"


def test_openais_library_takes_what_was_signed() -> None:
    secret = new_secret()
    client = OpenAI(api_key="none", webhook_secret=secret)

    headers = sign("msg_1", int(time.time()), BODY, [secret])

    assert str(client.webhooks.unwrap(BODY, headers).type) == "job.succeeded"
    with pytest.raises(InvalidWebhookSignatureError):
        client.webhooks.unwrap(BODY.replace(b"succeeded", b"failed"), headers)


def test_each_secret_signs_while_one_takes_over_from_the_other() -> None:
    old, new = new_secret(), new_secret()

    headers = sign("msg_1", int(time.time()), BODY, [new, old])

    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)


@pytest.mark.parametrize("change", [{"webhook-id": "msg_2"}, {"webhook-timestamp": str(int(time.time()) + 1)}])
def test_neither_id_nor_time_can_be_changed(change: dict[str, str]) -> None:
    secret = new_secret()
    headers = sign("msg_1", int(time.time()), BODY, [secret])

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, headers | change)


def test_a_secret_is_as_long_as_the_standard_asks() -> None:
    assert 24 <= len(base64.b64decode(new_secret().removeprefix("whsec_"), validate=True)) <= 64
