"""Storages of each kind at a server of ours, by nothing but an address and the environment that obstore reads."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.app.contract.object_server import ObjectServer, object_server

AZURE_ACCOUNT = "/devstoreaccount1"


@contextmanager
def at_object_server(scheme: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """The storage `{scheme}://bucket`, for as long as the context lasts."""
    with object_server(AZURE_ACCOUNT if scheme == "az" else "") as server:
        for name, value in _environment(server.url)[scheme].items():
            monkeypatch.setenv(name, value)
        yield server


def _environment(url: str) -> dict[str, dict[str, str]]:
    account = {"gcs_base_url": url, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    return {
        "s3": {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "name",
            "AWS_SECRET_ACCESS_KEY": "word",
        },
        "gs": {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account)},
        "az": {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": url, "AZURE_ALLOW_HTTP": "true"},
    }
