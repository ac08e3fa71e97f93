"""From a scene to a picture: drawn large, then reduced, so that every edge is soft at every size."""

import random
from dataclasses import dataclass

from PIL import Image, ImageChops

from worker.training.animals import ANIMALS, draw_animal
from worker.training.backdrops import draw_backdrop
from worker.training.chance import chance_for
from worker.training.pen import Pen
from worker.training.scenes import Scene, Thing
from worker.training.things import THINGS
from worker.training.world import COLOURS

OVERSAMPLING = 3
LINE = 0.022  # in widths of the picture: 2.8 pixels of 128


@dataclass(frozen=True)
class Picture:
    image: Image.Image  # RGB
    cover: Image.Image  # L: 255 where a thing is


def draw(scene: Scene, pixels: int = 128) -> Picture:
    chance = chance_for(str(scene.seed))
    side = pixels * OVERSAMPLING
    backdrop = draw_backdrop(scene.background, side, chance)
    layer = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    for thing in scene.things:
        _draw_thing(layer, scene, thing, chance)
    cover = layer.getchannel("A")
    colours = _shade(layer, side) if scene.style == "shaded" else layer
    backdrop.paste(colours, (0, 0), cover)
    return Picture(backdrop.reduce(OVERSAMPLING), cover.reduce(OVERSAMPLING))


def _draw_thing(layer: Image.Image, scene: Scene, thing: Thing, chance: random.Random) -> None:
    side, jitter = layer.width, 0.025
    x, y = (side * (at + chance.uniform(-jitter, jitter)) for at in scene.centre(thing))
    radius = side * scene.radius(thing) * chance.uniform(0.95, 1.05)
    line = side * LINE if scene.style == "outlined" else 0
    pen = Pen(layer, (x, y), radius, chance.uniform(-0.08, 0.08), line * min(1, 0.4 + 1.7 * radius / side))
    if thing.kind in ANIMALS:
        draw_animal(ANIMALS[thing.kind], pen, COLOURS[thing.colour], thing.wear)
    else:
        THINGS[thing.kind](pen, COLOURS[thing.colour])


def _shade(layer: Image.Image, side: int) -> Image.Image:
    """Light from the upper left."""
    light = (
        Image.radial_gradient("L")
        .resize((2 * side, 2 * side))
        .crop((side * 3 // 4, side * 3 // 4, side * 7 // 4, side * 7 // 4))
    )
    light = light.point(lambda distance: 255 - distance * 3 // 4)
    return ImageChops.multiply(layer.convert("RGB"), Image.merge("RGB", (light, light, light)))
