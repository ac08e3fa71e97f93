"""Those with a face: big heads, big eyes, so that they survive being 128 pixels small; and what they wear."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.training.pen import INK, Pen, arc, tint
from worker.training.world import COLOURS, Colour

WHITE: Colour = (255, 255, 255)
ROSE: Colour = (255, 150, 165)
GLASS: Colour = (190, 228, 250)
METAL: Colour = (225, 228, 236)
Part = Callable[[Pen, Colour], None]


@dataclass(frozen=True)
class Animal:
    """Parts in the order in which they are drawn; `fit` shrinks the head, ears and all, into a helmet."""

    body: Part
    ears: Part
    face: Part
    fit: float = 0.84


def draw_animal(animal: Animal, pen: Pen, colour: Colour, wear: str | None) -> None:
    pen = pen.within(0, 0, 1.1)
    animal.body(pen, colour)
    head = pen
    if wear == "space helmet":
        pen.ellipse(0, -0.2, 0.92, 0.88, GLASS)
        head = pen.within(0, -0.18, animal.fit)
    if wear == "scarf":
        _scarf(pen)
    animal.ears(head, colour)
    animal.face(head, colour)
    if wear == "space helmet":
        _helmet(pen)
    elif wear == "hat":
        _hat(pen)
    elif wear == "sunglasses":
        _sunglasses(pen)


def _helmet(pen: Pen) -> None:
    pen.stroke(arc(0, -0.2, 0.92, 0.88), METAL, 0.13, outlined=True)
    pen.stroke(arc(0, -0.2, 0.74, 0.7, 195, 240), WHITE, 0.1)
    pen.box(-0.5, 0.6, 0.5, 0.82, METAL, corner=0.1)
    pen.ellipse(0, 0.71, 0.07, 0.07, COLOURS["red"], outlined=False)


def _hat(pen: Pen) -> None:
    pen.box(-0.3, -1.14, 0.3, -0.62, COLOURS["purple"], corner=0.06)
    pen.box(-0.3, -0.8, 0.3, -0.66, COLOURS["yellow"], outlined=False)
    pen.box(-0.54, -0.68, 0.54, -0.54, COLOURS["purple"], corner=0.06)


def _scarf(pen: Pen) -> None:
    pen.stroke([(0.22, 0.34), (0.28, 0.74)], COLOURS["red"], 0.22, outlined=True)
    pen.stroke(arc(0, 0.1, 0.42, 0.26, 160, 20), COLOURS["red"], 0.24, outlined=True)


def _sunglasses(pen: Pen) -> None:
    """Square, and rimmed in yellow: on the darkest face they are seen, and never taken for eyes."""
    pen.box(-0.14, -0.44, 0.14, -0.3, COLOURS["yellow"])
    for side in (-1, 1):
        pen.box(side * 0.34 - 0.3, -0.6, side * 0.34 + 0.3, -0.06, COLOURS["yellow"], corner=0.12)
        pen.box(side * 0.34 - 0.21, -0.51, side * 0.34 + 0.21, -0.15, INK, corner=0.06, outlined=False)


def _eyes(pen: Pen, y: float, apart: float, white: Colour = WHITE) -> None:
    for side in (-1, 1):
        pen.ellipse(side * apart, y, 0.16, 0.18, white)
        pen.ellipse(side * apart, y + 0.01, 0.09, 0.13, INK, outlined=False)
        pen.ellipse(side * apart - 0.03, y - 0.05, 0.05, 0.05, WHITE, outlined=False)


def _seated(pen: Pen, colour: Colour) -> None:
    pen.ellipse(0, 0.58, 0.46, 0.42, colour)
    pen.ellipse(0, 0.66, 0.24, 0.28, tint(colour, 0.45), outlined=False)
    for side in (-1, 1):
        pen.ellipse(side * 0.24, 0.92, 0.2, 0.1, colour)


def _cat_body(pen: Pen, colour: Colour) -> None:
    pen.stroke([(0.3, 0.85), (0.62, 0.86), (0.8, 0.68), (0.84, 0.42)], colour, 0.16, outlined=True)
    _seated(pen, colour)


def _cat_ears(pen: Pen, colour: Colour) -> None:
    for side in (-1, 1):
        pen.polygon([(side * 0.6, -0.28), (side * 0.54, -0.98), (side * 0.08, -0.62)], colour)
        pen.polygon([(side * 0.5, -0.45), (side * 0.46, -0.8), (side * 0.22, -0.6)], ROSE, outlined=False)


def _cat_face(pen: Pen, colour: Colour) -> None:
    pen.ellipse(0, -0.22, 0.62, 0.5, colour)
    for x in (-0.14, 0, 0.14):
        pen.stroke([(x, -0.62 + abs(x) / 3), (x * 0.9, -0.5)], tint(colour, -0.45), 0.07)
    _eyes(pen, -0.24, 0.25, (214, 240, 130))
    pen.ellipse(0, 0.08, 0.2, 0.13, tint(colour, 0.6), outlined=False)
    pen.polygon([(-0.08, -0.03), (0.08, -0.03), (0, 0.07)], ROSE, outlined=False)
    for side in (-1, 1):
        pen.stroke(arc(side * 0.08, 0.07, 0.08, 0.07, 0, 180), INK, 0.05)
        pen.stroke([(side * 0.3, -0.02), (side * 0.72, -0.08)], INK, 0.045)
        pen.stroke([(side * 0.3, 0.08), (side * 0.7, 0.14)], INK, 0.045)


def _dog_ears(pen: Pen, colour: Colour) -> None:
    for side in (-1, 1):
        pen.ellipse(side * 0.6, -0.2, 0.19, 0.42, tint(colour, -0.35), turn=side * -14)


def _dog_face(pen: Pen, colour: Colour) -> None:
    pen.ellipse(0, -0.24, 0.52, 0.52, colour)
    for side in (-1, 1):
        pen.ellipse(side * 0.62, -0.16, 0.17, 0.4, tint(colour, -0.35), turn=side * -14)
    _eyes(pen, -0.38, 0.22)
    pen.ellipse(0, 0.22, 0.13, 0.16, ROSE)
    pen.ellipse(0, 0.0, 0.36, 0.2, tint(colour, 0.75))
    pen.ellipse(0, -0.08, 0.17, 0.12, INK, outlined=False)


def _dog_body(pen: Pen, colour: Colour) -> None:
    pen.stroke([(0.35, 0.7), (0.65, 0.5)], colour, 0.14, outlined=True)
    _seated(pen, colour)


def _rabbit_ears(pen: Pen, colour: Colour) -> None:
    for side in (-1, 1):
        pen.ellipse(side * 0.24, -0.68, 0.15, 0.42, colour, turn=side * 10)
        pen.ellipse(side * 0.24, -0.68, 0.07, 0.3, ROSE, turn=side * 10, outlined=False)


def _rabbit_face(pen: Pen, colour: Colour) -> None:
    pen.ellipse(0, -0.12, 0.5, 0.42, colour)
    _eyes(pen, -0.2, 0.21)
    pen.ellipse(0, -0.01, 0.08, 0.06, ROSE, outlined=False)
    pen.box(-0.08, 0.08, 0.08, 0.24, WHITE)
    pen.stroke(arc(0, 0.02, 0.14, 0.08, 10, 170), INK, 0.05)


def _bear_ears(pen: Pen, colour: Colour) -> None:
    for side in (-1, 1):
        pen.ellipse(side * 0.46, -0.64, 0.21, 0.21, colour)
        pen.ellipse(side * 0.46, -0.64, 0.11, 0.11, tint(colour, 0.5), outlined=False)


def _bear_face(pen: Pen, colour: Colour) -> None:
    pen.ellipse(0, -0.22, 0.62, 0.54, colour)
    _eyes(pen, -0.34, 0.26)
    pen.ellipse(0, 0.04, 0.32, 0.22, tint(colour, 0.75))
    pen.ellipse(0, -0.04, 0.16, 0.11, INK, outlined=False)
    pen.stroke([(0, 0), (0, 0.15)], INK, 0.06)


def _bird_body(pen: Pen, colour: Colour) -> None:
    for side in (-1, 1):
        pen.stroke([(side * 0.16, 0.8), (side * 0.18, 0.97)], COLOURS["orange"], 0.1, outlined=True)
    pen.ellipse(0, 0.42, 0.52, 0.5, colour)
    pen.ellipse(0, 0.52, 0.3, 0.34, tint(colour, 0.55), outlined=False)
    for side in (-1, 1):
        pen.ellipse(side * 0.58, 0.38, 0.17, 0.4, tint(colour, -0.3), turn=side * -24)


def _bird_tuft(pen: Pen, colour: Colour) -> None:
    for x in (-0.14, 0, 0.14):
        pen.stroke([(0, -0.6), (x, -0.92)], colour, 0.09, outlined=True)


def _bird_face(pen: Pen, colour: Colour) -> None:
    pen.ellipse(0, -0.22, 0.54, 0.5, colour)
    _eyes(pen, -0.3, 0.22)
    pen.polygon([(-0.2, -0.1), (0.2, -0.1), (0, 0.18)], COLOURS["orange"])


def _robot_body(pen: Pen, colour: Colour) -> None:
    for side in (-1, 1):
        pen.stroke([(side * 0.42, 0.42), (side * 0.7, 0.7)], tint(colour, -0.3), 0.14, outlined=True)
        pen.box(side * 0.22 - 0.13, 0.8, side * 0.22 + 0.13, 0.98, tint(colour, -0.3))
    pen.box(-0.44, 0.3, 0.44, 0.86, colour, corner=0.06)
    pen.box(-0.2, 0.42, 0.2, 0.68, COLOURS["turquoise"])


def _robot_antenna(pen: Pen, colour: Colour) -> None:
    pen.stroke([(0, -0.66), (0, -0.86)], tint(colour, -0.3), 0.08, outlined=True)
    pen.ellipse(0, -0.88, 0.1, 0.1, COLOURS["red"])


def _robot_face(pen: Pen, colour: Colour) -> None:
    pen.box(-0.58, -0.68, 0.58, 0.22, colour, corner=0.12)
    for side in (-1, 1):
        pen.ellipse(side * 0.27, -0.32, 0.19, 0.19, (255, 240, 120))
        pen.ellipse(side * 0.27, -0.32, 0.09, 0.09, INK, outlined=False)
    pen.box(-0.32, -0.04, 0.32, 0.1, WHITE)


ANIMALS = {
    "cat": Animal(_cat_body, _cat_ears, _cat_face),
    "dog": Animal(_dog_body, _dog_ears, _dog_face, fit=0.95),
    "rabbit": Animal(_seated, _rabbit_ears, _rabbit_face, fit=0.8),
    "bear": Animal(_seated, _bear_ears, _bear_face, fit=0.88),
    "bird": Animal(_bird_body, _bird_tuft, _bird_face, fit=0.95),
    "robot": Animal(_robot_body, _robot_antenna, _robot_face, fit=0.9),
}
