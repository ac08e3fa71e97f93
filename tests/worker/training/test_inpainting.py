import numpy as np
import pytest
from diffusers import StableDiffusionPipeline
from PIL import ImageChops

from worker.training.drawing import draw
from worker.training.inpainting import mask_over, repaint
from worker.training.judge import Judge
from worker.training.scenes import Scene, Thing
from worker.training.world import KINDS, PLACES


@pytest.mark.parametrize("place", PLACES)
def test_the_mask_covers_the_thing_and_not_the_picture(place: str) -> None:
    for kind in KINDS:
        scene = Scene((Thing(kind, "red", "hat" if KINDS[kind].wears else None, place=place),), "white", seed=3)

        cover = draw(scene).cover
        mask = mask_over(scene, cover)

        assert ImageChops.subtract(cover, mask).getbbox() is None
        assert np.asarray(mask).mean() < 230


def test_painting_over_is_measured_outside_and_inside(
    untaught_pipeline: StableDiffusionPipeline, untaught_judge: Judge
) -> None:
    results = repaint(untaught_pipeline, untaught_judge, count=2, steps=1, guidance=4.0, seed=0)

    assert 0 < results["outside"] < 40
    assert 0 <= results["new thing"] <= 1
