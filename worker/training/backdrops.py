"""What is behind the things."""

import random
from collections.abc import Callable

from PIL import Image, ImageDraw

from worker.training.pen import arc
from worker.training.world import Colour

PLAIN: dict[str, Colour] = {"white": (244, 244, 240), "pink": (255, 205, 220), "yellow": (255, 238, 150)}
Canvas = ImageDraw.ImageDraw


def draw_backdrop(background: str, side: int, chance: random.Random) -> Image.Image:
    if background in PLAIN:
        return Image.new("RGB", (side, side), PLAIN[background])
    ground, scenery = SCENERY[background]
    image = Image.new("RGB", (side, side), ground)
    scenery(ImageDraw.Draw(image), side, chance)
    return image


def _land(canvas: Canvas, side: int, chance: random.Random, colour: Colour, height: float) -> None:
    """A gentle hill that fills the lower part."""
    middle, top = side * chance.uniform(0.35, 0.65), side * (height + chance.uniform(-0.02, 0.02))
    canvas.ellipse((middle - side * 1.2, top, middle + side * 1.2, top + side * 1.4), fill=colour)


def _dots(canvas: Canvas, side: int, chance: random.Random, colour: Colour, count: int, radius: float) -> None:
    for _ in range(count):
        x, y, r = side * chance.random(), side * chance.random(), side * radius * chance.uniform(0.7, 1.3)
        canvas.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _sky(canvas: Canvas, side: int, chance: random.Random) -> None:
    for across in (0.18, 0.82):
        x, y = across + chance.uniform(-0.06, 0.06), chance.choice((0.14, 0.86))
        for dx, r in ((-0.09, 0.06), (0, 0.085), (0.09, 0.06)):
            puff = (x + dx - r, y - r, x + dx + r, y + r * 0.8)
            canvas.ellipse(tuple(at * side for at in puff), fill=(240, 248, 255))


def _night(canvas: Canvas, side: int, chance: random.Random) -> None:
    _dots(canvas, side, chance, (255, 244, 190), 12, 0.022)
    _land(canvas, side, chance, (22, 52, 62), 0.84)


def _sea(canvas: Canvas, side: int, chance: random.Random) -> None:
    top = side * (0.52 + chance.uniform(-0.03, 0.03))
    canvas.rectangle((0, top, side, side), fill=(28, 104, 190))
    for row in (0.66, 0.8, 0.92):
        x, y = side * chance.uniform(-0.2, 0), side * row
        while x < side:
            wave = [(x + px * side, y + py * side) for px, py in arc(0.06, 0, 0.06, 0.03, 180, 360)]
            canvas.line(wave, fill=(120, 190, 240), width=max(1, side // 64))
            x += side * 0.28


def _grass(canvas: Canvas, side: int, chance: random.Random) -> None:
    _land(canvas, side, chance, (112, 190, 76), 0.62)


def _desert(canvas: Canvas, side: int, chance: random.Random) -> None:
    _land(canvas, side, chance, (232, 184, 104), 0.56)
    _land(canvas, side, chance, (214, 158, 80), 0.76)


def _snow(canvas: Canvas, side: int, chance: random.Random) -> None:
    _land(canvas, side, chance, (248, 250, 255), 0.64)
    _dots(canvas, side, chance, (255, 255, 255), 18, 0.018)


def _space(canvas: Canvas, side: int, chance: random.Random) -> None:
    _dots(canvas, side, chance, (230, 225, 255), 16, 0.018)
    x, y, r = side * chance.choice((0.1, 0.9)), side * 0.12, side * 0.14
    canvas.ellipse((x - r, y - r, x + r, y + r), fill=(226, 110, 90))


SCENERY: dict[str, tuple[Colour, Callable[[Canvas, int, random.Random], None]]] = {
    "sky": ((130, 200, 250), _sky),
    "night": ((30, 40, 112), _night),
    "sea": ((188, 228, 250), _sea),
    "grass": ((176, 222, 250), _grass),
    "desert": ((250, 222, 170), _desert),
    "snow": ((170, 198, 226), _snow),
    "space": ((24, 14, 46), _space),
}
