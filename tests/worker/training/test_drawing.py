import numpy as np
import pytest
from PIL import ImageChops

from worker.training.drawing import draw
from worker.training.scenes import WHOLE_WORLD, Scene, Thing, sample_scene
from worker.training.world import BACKGROUNDS, KINDS, STYLES, WEAR


def test_a_scene_gives_the_same_picture_every_time() -> None:
    scene = sample_scene(WHOLE_WORLD, 5)

    assert draw(scene) == draw(scene)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", STYLES)
def test_every_thing_is_seen_inside_the_frame(kind: str, style: str) -> None:
    scene = Scene((Thing(kind, "green"),), "white", style, seed=1)

    picture = draw(scene, 64)
    left, top, right, bottom = picture.cover.getbbox() or (0, 0, 0, 0)
    changed = ImageChops.difference(picture.image, draw(Scene((), "white"), 64).image).convert("L")

    assert left > 0
    assert top > 0
    assert right < 64
    assert bottom < 64
    assert (np.asarray(changed) > 20).mean() > 0.1


@pytest.mark.parametrize("wear", WEAR)
@pytest.mark.parametrize("kind", [kind for kind, traits in KINDS.items() if traits.wears])
def test_what_is_worn_is_seen(kind: str, wear: str) -> None:
    plain = draw(Scene((Thing(kind, "gray"),), "white", seed=2), 64).image
    dressed = draw(Scene((Thing(kind, "gray", wear),), "white", seed=2), 64).image

    changed = np.asarray(ImageChops.difference(plain, dressed).convert("L")) > 20

    assert changed.mean() > 0.01


def test_backgrounds_differ() -> None:
    pictures = {background: draw(Scene((), background), 32).image.tobytes() for background in BACKGROUNDS}

    assert len(set(pictures.values())) == len(BACKGROUNDS)


@pytest.mark.parametrize("pixels", [48, 128, 256])
def test_edges_are_soft_at_every_size(pixels: int) -> None:
    picture = draw(Scene((Thing("circle", "black"),), "white", "flat"), pixels)

    shades = set(np.unique(np.asarray(picture.cover)))

    assert picture.image.size == (pixels, pixels)
    assert len(shades) > 4
