"""A picture by its address: fetched only where a setting allows it, and only from where the guard lets us go."""

import asyncio

import httpx

from app.courier.guard import EgressRefused, Guard, GuardedTransport
from app.pictures.anatomy import PictureRefused
from app.pictures.inspection import PictureLimits, TooManyBytes
from app.pictures.upload import Upload

LIMIT_S = 10.0
HEADERS = {"Accept": "image/png, image/jpeg, image/webp", "Accept-Encoding": "identity"}  # nothing is inflated


async def fetch(url: str, guard: Guard, limits: PictureLimits) -> Upload:
    """Follows no redirect, and reads no more than a picture may have; raises PictureRefused."""
    try:
        async with asyncio.timeout(LIMIT_S):
            return await _fetch(url, guard, limits)
    except EgressRefused as refused:
        raise PictureRefused(str(refused)) from None
    except TimeoutError:
        raise PictureRefused(f"The address did not give the picture within {LIMIT_S:.0f} s.") from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise PictureRefused("The address gives no picture.") from None


async def _fetch(url: str, guard: Guard, limits: PictureLimits) -> Upload:
    guard.check(url)
    async with (
        httpx.AsyncClient(transport=GuardedTransport(guard), trust_env=False, timeout=LIMIT_S) as client,
        client.stream("GET", url, headers=HEADERS) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise PictureRefused(f"The address answers {answer.status_code} and not with a picture.")
        content = bytearray()
        async for piece in answer.aiter_raw():
            content += piece
            if len(content) > limits.max_bytes:
                raise TooManyBytes(limits)
        return Upload(bytes(content), answer.headers.get("content-type"))
