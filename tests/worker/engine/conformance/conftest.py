import pytest
from diffusers.pipelines.qwenimage import (
    pipeline_qwenimage_edit,
    pipeline_qwenimage_edit_inpaint,
    pipeline_qwenimage_edit_plus,
)


@pytest.fixture(autouse=True)
def _small_megapixels(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small_megapixels(monkeypatch)


def make_small_megapixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the pipelines that make a megapixel of every picture to edit make 64 x 64 of it, for the time it takes."""
    for module in (pipeline_qwenimage_edit, pipeline_qwenimage_edit_inpaint, pipeline_qwenimage_edit_plus):
        original = module.calculate_dimensions
        monkeypatch.setattr(
            module, "calculate_dimensions", lambda area, ratio, original=original: original(area / 256, ratio)
        )
