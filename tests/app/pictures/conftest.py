import pytest

from app.pictures.inspection import PictureLimits


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def limits() -> PictureLimits:
    """The service's own, with fewer bytes."""
    return PictureLimits(max_bytes=1_000_000, max_pixels=25_000_000, max_side=8_192)
