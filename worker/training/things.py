"""Things without a face, each drawn by one function of a pen and a colour."""

import math
from collections.abc import Callable

from worker.training.animals import WHITE
from worker.training.pen import INK, Pen, Point, arc, tint
from worker.training.world import COLOURS, Colour

BARK: Colour = (128, 82, 48)
LEAF: Colour = (56, 150, 66)
PANE: Colour = (178, 224, 250)
CREAM: Colour = (250, 232, 200)


def _fish(pen: Pen, colour: Colour) -> None:
    pen.polygon([(0.4, 0), (0.96, -0.5), (0.84, 0), (0.96, 0.5)], tint(colour, -0.25))
    pen.polygon([(-0.2, -0.4), (0.1, -0.78), (0.35, -0.35)], tint(colour, -0.25))
    pen.ellipse(-0.2, 0, 0.74, 0.52, colour)
    pen.ellipse(0.1, 0.08, 0.2, 0.15, tint(colour, -0.25), turn=20, outlined=False)
    pen.ellipse(-0.52, -0.12, 0.16, 0.17, WHITE)
    pen.ellipse(-0.54, -0.11, 0.08, 0.09, INK, outlined=False)
    pen.stroke(arc(-0.78, 0.12, 0.14, 0.12, 20, 110), INK, 0.06)


def _tree(pen: Pen, colour: Colour) -> None:
    pen.box(-0.15, 0.2, 0.15, 0.98, BARK)
    for x, y, r in ((-0.42, 0.0, 0.42), (0.42, 0.0, 0.42), (0, -0.46, 0.5)):
        pen.ellipse(x, y, r, r, colour)
    pen.ellipse(0, -0.1, 0.5, 0.4, colour, outlined=False)


def _flower(pen: Pen, colour: Colour) -> None:
    pen.stroke([(0, 0.1), (0, 0.96)], LEAF, 0.13, outlined=True)
    pen.ellipse(0.3, 0.62, 0.3, 0.13, LEAF, turn=-30)
    for angle in range(0, 360, 60):
        x, y = 0.4 * math.cos(math.radians(angle)), 0.4 * math.sin(math.radians(angle)) - 0.28
        pen.ellipse(x, y, 0.29, 0.29, colour)
    middle = COLOURS["brown"] if colour == COLOURS["yellow"] else COLOURS["yellow"]
    pen.ellipse(0, -0.28, 0.25, 0.25, middle)


def _mushroom(pen: Pen, colour: Colour) -> None:
    pen.box(-0.27, 0.0, 0.27, 0.94, CREAM, corner=0.14)
    pen.polygon(arc(0, 0.12, 0.9, 0.98, 180, 360), colour)
    spot = COLOURS["red"] if colour == COLOURS["white"] else WHITE
    for x, y, r in ((-0.42, -0.2, 0.16), (0.08, -0.52, 0.19), (0.46, -0.1, 0.14)):
        pen.ellipse(x, y, r, r, spot, outlined=False)


def _apple(pen: Pen, colour: Colour) -> None:
    pen.stroke([(0, -0.5), (0.1, -0.9)], BARK, 0.13, outlined=True)
    pen.ellipse(0.38, -0.78, 0.28, 0.14, LEAF, turn=-20)
    for side in (-1, 1):
        pen.ellipse(side * 0.32, 0.15, 0.52, 0.66, colour)
    pen.ellipse(0, 0.2, 0.46, 0.58, colour, outlined=False)
    pen.stroke(arc(-0.36, 0.1, 0.26, 0.34, 190, 250), tint(colour, 0.6), 0.12)


def _cloud(pen: Pen, colour: Colour) -> None:
    puffs = ((-0.55, 0.16, 0.4), (0.55, 0.16, 0.4), (-0.16, -0.2, 0.46), (0.3, -0.1, 0.4))
    for x, y, r in puffs:
        pen.ellipse(x, y, r, r, colour)
    for x, y, r in puffs:
        pen.ellipse(x, y, r - 0.06, r - 0.06, colour, outlined=False)
    pen.box(-0.55, 0.1, 0.55, 0.53, colour, outlined=False)
    if pen.line:
        pen.stroke([(-0.55, 0.56), (0.55, 0.56)], INK, pen.line / pen.radius)


def _spikes(count: int, outer: float, inner: float) -> list[Point]:
    angles = [math.pi * i / count - math.pi / 2 for i in range(2 * count)]
    reaches = [outer if i % 2 == 0 else inner for i in range(2 * count)]
    return [(r * math.cos(a), r * math.sin(a)) for a, r in zip(angles, reaches, strict=True)]


def _sun(pen: Pen, colour: Colour) -> None:
    pen.polygon(_spikes(10, 0.98, 0.66), tint(colour, -0.15))
    pen.ellipse(0, 0, 0.6, 0.6, colour)


def _moon(pen: Pen, colour: Colour) -> None:
    outer = arc(0, 0, 0.92, 0.92, 50, 310)
    inner = arc(0.52, 0, 0.78, 0.72, 285, 75)
    pen.polygon(outer + inner, colour)


def _star(pen: Pen, colour: Colour) -> None:
    pen.polygon([(x, y + 0.06) for x, y in _spikes(5, 1, 0.45)], colour)


def _planet(pen: Pen, colour: Colour) -> None:
    halo = COLOURS["purple"] if colour == COLOURS["yellow"] else COLOURS["yellow"]
    tilted = [(x * 0.96 - y * 0.28, x * 0.28 + y * 0.96) for x, y in arc(0, 0, 0.96, 0.3, 180, 360)]
    pen.stroke(tilted, halo, 0.15, outlined=True)
    pen.ellipse(0, 0, 0.62, 0.62, colour)
    pen.ellipse(-0.2, -0.3, 0.18, 0.14, tint(colour, 0.4), outlined=False)
    tilted = [(x * 0.96 - y * 0.28, x * 0.28 + y * 0.96) for x, y in arc(0, 0, 0.96, 0.3, 0, 180)]
    pen.stroke(tilted, halo, 0.15, outlined=True)


def _rocket(pen: Pen, colour: Colour) -> None:
    pen.polygon([(-0.2, 0.6), (0.2, 0.6), (0, 1.0)], COLOURS["orange"])
    fin = COLOURS["blue"] if colour == COLOURS["red"] else COLOURS["red"]
    for side in (-1, 1):
        pen.polygon([(side * 0.3, 0.05), (side * 0.66, 0.72), (side * 0.26, 0.62)], fin)
    hull = [*arc(0, -0.1, 0.38, 0.88, 180, 360), (0.3, 0.66), (-0.3, 0.66)]
    pen.polygon(hull, colour)
    pen.polygon([*arc(0, -0.1, 0.38, 0.88, 222, 318)], fin)
    pen.ellipse(0, -0.14, 0.2, 0.2, PANE)


def _balloon(pen: Pen, colour: Colour) -> None:
    pen.stroke([(0, 0.5), (0.08, 0.66), (-0.06, 0.82), (0, 0.98)], INK, 0.06)
    pen.polygon([(0, 0.4), (0.13, 0.6), (-0.13, 0.6)], colour)
    pen.ellipse(0, -0.26, 0.62, 0.72, colour)
    pen.stroke(arc(0, -0.28, 0.4, 0.48, 195, 250), tint(colour, 0.65), 0.12)


def _house(pen: Pen, colour: Colour) -> None:
    pen.box(-0.66, -0.12, 0.66, 0.92, colour)
    roof = tint(colour, -0.5) if colour != COLOURS["black"] else COLOURS["gray"]
    pen.polygon([(-0.9, -0.1), (0, -0.94), (0.9, -0.1)], roof)
    pen.box(-0.44, 0.3, -0.08, 0.92, BARK)
    pen.box(0.16, 0.2, 0.5, 0.54, (255, 240, 150))


def _car(pen: Pen, colour: Colour) -> None:
    pen.polygon([(-0.52, -0.05), (-0.32, -0.5), (0.34, -0.5), (0.58, -0.05)], colour)
    pen.polygon([(-0.36, -0.08), (-0.22, -0.38), (-0.02, -0.38), (-0.02, -0.08)], PANE, outlined=False)
    pen.polygon([(0.1, -0.08), (0.1, -0.38), (0.28, -0.38), (0.42, -0.08)], PANE, outlined=False)
    pen.box(-0.96, -0.08, 0.96, 0.38, colour, corner=0.14)
    pen.ellipse(-0.84, 0.08, 0.09, 0.09, (255, 240, 150), outlined=False)
    for x in (-0.52, 0.52):
        pen.ellipse(x, 0.4, 0.26, 0.26, INK)
        pen.ellipse(x, 0.4, 0.12, 0.12, COLOURS["white"], outlined=False)


def _boat(pen: Pen, colour: Colour) -> None:
    pen.stroke([(0, 0.3), (0, -0.9)], BARK, 0.1, outlined=True)
    pen.polygon([(0.1, -0.86), (0.78, 0.2), (0.1, 0.2)], WHITE)
    pen.polygon([(-0.1, -0.62), (-0.1, 0.2), (-0.62, 0.2)], tint(COLOURS["red"], 0.1))
    pen.polygon([(-0.96, 0.32), (0.96, 0.32), (0.62, 0.82), (-0.62, 0.82)], colour)


def _cup(pen: Pen, colour: Colour) -> None:
    for y in (-0.62,):
        pen.stroke([(-0.2, y), (-0.12, y - 0.14), (-0.22, y - 0.3)], COLOURS["gray"], 0.08)
        pen.stroke([(0.16, y), (0.24, y - 0.14), (0.14, y - 0.3)], COLOURS["gray"], 0.08)
    pen.stroke(arc(0.56, 0.12, 0.3, 0.3, 270, 450), colour, 0.16, outlined=True)
    pen.polygon([(-0.62, -0.42), (0.62, -0.42), (0.5, 0.78), (-0.5, 0.78)], colour)
    pen.ellipse(0, -0.42, 0.62, 0.16, BARK)


def _umbrella(pen: Pen, colour: Colour) -> None:
    pen.stroke([(0, 0), (0, 0.76), *arc(-0.15, 0.76, 0.15, 0.17, 0, 170)], BARK, 0.11, outlined=True)
    rim = [(0.94, 0.02), *arc(0.63, 0.02, 0.31, 0.14, 360, 180), *arc(0, 0.02, 0.31, 0.14, 360, 180)]
    pen.polygon(arc(0, 0.02, 0.94, 0.94, 180, 360) + rim + arc(-0.63, 0.02, 0.31, 0.14, 360, 180), colour)
    pen.polygon([(0, -0.92), *arc(0, 0.02, 0.31, 0.14, 360, 180)], tint(colour, 0.45), outlined=False)


def _heart(pen: Pen, colour: Colour) -> None:
    angles = [math.radians(a) for a in range(0, 360, 8)]
    points = [
        (
            0.96 * math.sin(a) ** 3,
            -(13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) / 17,
        )
        for a in angles
    ]
    pen.polygon([(x, y - 0.06) for x, y in points], colour)


def _circle(pen: Pen, colour: Colour) -> None:
    pen.ellipse(0, 0, 0.86, 0.86, colour)


def _square(pen: Pen, colour: Colour) -> None:
    pen.box(-0.76, -0.76, 0.76, 0.76, colour)


def _triangle(pen: Pen, colour: Colour) -> None:
    pen.polygon([(0, -0.86), (0.94, 0.74), (-0.94, 0.74)], colour)


def _ring(pen: Pen, colour: Colour) -> None:
    pen.ellipse(0, 0, 0.9, 0.9, colour)
    pen.erase(arc(0, 0, 0.5, 0.5))


THINGS: dict[str, Callable[[Pen, Colour], None]] = {
    "fish": _fish, "tree": _tree, "flower": _flower, "mushroom": _mushroom, "apple": _apple, "cloud": _cloud,
    "sun": _sun, "moon": _moon, "star": _star, "planet": _planet, "rocket": _rocket, "balloon": _balloon,
    "house": _house, "car": _car, "boat": _boat, "cup": _cup, "umbrella": _umbrella, "heart": _heart,
    "circle": _circle, "square": _square, "triangle": _triangle, "ring": _ring,
}  # fmt: skip
