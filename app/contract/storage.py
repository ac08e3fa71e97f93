"""Where the pictures are kept: a folder, S3, GCS or Azure, by the address alone."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import GenericError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store, from_url

if TYPE_CHECKING:
    from obstore import Attributes  # its stubs alone have it

FOLDER = "darkroom-jobs"  # the storage may hold other people's files
LONGEST_PAUSE_S = 2.0  # between two tries
REASON_LENGTH = 500


class Storage:
    """Pictures by key, in a folder of their own; a key is written once and never changed.

    A storage that is away is tried again for as long as `patience_s`; then each method raises obstore's BaseError.
    """

    def __init__(self, url: str, *, redirects: bool = False, patience_s: float = 5.0) -> None:
        self._redirects = redirects
        self._store = _folder(url) if url.startswith("file:") else _remote(url, patience_s)

    def put(self, key: str, content: bytes, content_type: str) -> None:
        with _writing():
            obstore.put(self._store, f"{FOLDER}/{key}", content, attributes=self._attributes(content_type))

    async def put_async(self, key: str, content: bytes, content_type: str) -> None:
        with _writing():
            await obstore.put_async(self._store, f"{FOLDER}/{key}", content, attributes=self._attributes(content_type))

    def _attributes(self, content_type: str) -> "Attributes | None":
        # a folder keeps no attributes and obstore refuses them there
        return None if isinstance(self._store, LocalStore) else {"Content-Type": content_type}

    def read(self, key: str) -> bytes:
        """Raises FileNotFoundError."""
        return bytes(obstore.get(self._store, f"{FOLDER}/{key}").bytes())

    async def get(self, key: str) -> bytes:
        """Raises FileNotFoundError."""
        answer = await obstore.get_async(self._store, f"{FOLDER}/{key}")
        return bytes(await answer.bytes_async())

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes what is there of them."""
        obstore.delete(self._store, [f"{FOLDER}/{key}" for key in keys])

    async def address(self, key: str) -> str | None:
        """Where anyone can read the picture for a minute, if callers are sent to the storage; a folder has no such."""
        if self._redirects and isinstance(self._store, AzureStore | GCSStore | S3Store):
            return await obstore.sign_async(self._store, "GET", f"{FOLDER}/{key}", timedelta(minutes=1))
        return None

    async def delete_async(self, keys: Iterable[str]) -> None:
        """Deletes what is there of them."""
        await obstore.delete_async(self._store, [f"{FOLDER}/{key}" for key in keys])

    def erase(self, folder: str) -> None:
        """Deletes all that is in the folder."""
        for objects in obstore.list(self._store, f"{FOLDER}/{folder}"):
            obstore.delete(self._store, [each["path"] for each in objects])

    def forget(self, before: datetime, kept: Callable[[set[str]], set[str]] = lambda _: set()) -> int:
        """Deletes the pictures that were put before then, and nothing else; returns how many they were.

        `kept` tells which of these jobs' pictures stay nevertheless.
        """
        forgotten = 0
        for objects in obstore.list(self._store, FOLDER):
            old = {each["path"]: _job(each["path"]) for each in objects if each["last_modified"] < before}
            stays = kept(set(old.values())) if old else set()
            old = {path: job for path, job in old.items() if job not in stays}
            obstore.delete(self._store, list(old))
            forgotten += len(old)
        return forgotten


@contextmanager
def _writing() -> Iterator[None]:
    """Without its bucket a storage cannot be written; obstore says FileNotFoundError, which is for pictures."""
    try:
        yield
    except FileNotFoundError as error:
        raise GenericError(str(error)) from error


def reason(error: BaseException | None) -> str:
    """What the storage said, for a log; obstore goes on with its own insides."""
    return str(error).partition("\n")[0][:REASON_LENGTH]


def _folder(url: str) -> ObjectStore:
    return from_url(url, mkdir=True, automatic_cleanup=True)


def _remote(url: str, patience_s: float) -> ObjectStore:
    return from_url(
        url,
        retry_config={
            "max_retries": 10_000,  # the time alone decides
            "retry_timeout": timedelta(seconds=patience_s),
            "backoff": {"max_backoff": timedelta(seconds=LONGEST_PAUSE_S)},
        },
    )


def _job(path: str) -> str:
    """The id of the record whose folder this is in."""
    return path.removeprefix(f"{FOLDER}/").partition("/")[0]
