"""A pen that draws shapes in a thing's own coordinates: (-1, -1) is its upper left corner, (1, 1) its lower right."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from worker.training.world import Colour

Point = tuple[float, float]
INK: Colour = (30, 24, 40)
CLEAR = (0, 0, 0, 0)


def tint(colour: Colour, amount: float) -> Colour:
    """Moves a colour towards white (amount > 0) or towards black (amount < 0)."""
    goal = 255 if amount > 0 else 0
    red, green, blue = (round(channel + (goal - channel) * abs(amount)) for channel in colour)
    return red, green, blue


def arc(x: float, y: float, rx: float, ry: float, start: float = 0, end: float = 360) -> list[Point]:
    """Points along an ellipse, angles in degrees, clockwise from the right."""
    count = max(6, round(abs(end - start) / 7.5))
    angles = [math.radians(start + (end - start) * i / count) for i in range(count + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


class Pen:
    """Draws one thing on a transparent layer: where, how big, how tilted, with how wide an outline (0: none)."""

    def __init__(self, layer: Image.Image, centre: Point, radius: float, tilt: float = 0, line: float = 0) -> None:
        self.layer, self.centre, self.radius, self.tilt, self.line = layer, centre, radius, tilt, line
        self._canvas = ImageDraw.Draw(layer)

    def within(self, x: float, y: float, scale: float) -> "Pen":
        """A pen for a part: the same drawing, shrunk towards the point (x, y)."""
        middle = self._place((x * (1 - scale), y * (1 - scale)))
        return Pen(self.layer, middle, self.radius * scale, self.tilt, self.line)

    def polygon(self, points: Sequence[Point], fill: Colour, *, outlined: bool = True) -> None:
        corners = [self._place(point) for point in points]
        self._canvas.polygon(corners, fill=(*fill, 255))
        if self.line and outlined:
            self._canvas.line([*corners, *corners[:2]], fill=(*INK, 255), width=round(self.line), joint="curve")

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, fill: Colour, *, turn: float = 0, outlined: bool = True
    ) -> None:
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        round_points = ((px * cos - py * sin + x, px * sin + py * cos + y) for px, py in arc(0, 0, rx, ry))
        self.polygon(list(round_points), fill, outlined=outlined)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, fill: Colour, *, corner: float = 0, outlined: bool = True
    ) -> None:
        if not corner:
            self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill, outlined=outlined)
            return
        corners = [(x1, y0, 270), (x1, y1, 0), (x0, y1, 90), (x0, y0, 180)]
        points: list[Point] = []
        for x, y, start in corners:
            inside_x, inside_y = x + (corner if x == x0 else -corner), y + (corner if y == y0 else -corner)
            points += arc(inside_x, inside_y, corner, corner, start, start + 90)
        self.polygon(points, fill, outlined=outlined)

    def stroke(self, points: Sequence[Point], fill: Colour, width: float, *, outlined: bool = False) -> None:
        """A thick line with round ends; width in the thing's own units."""
        path, thick = [self._place(point) for point in points], width * self.radius
        if self.line and outlined:
            self._trace(path, INK, thick + 2 * self.line)
        self._trace(path, fill, thick)

    def erase(self, points: Sequence[Point]) -> None:
        """Makes a hole through which the background is seen."""
        corners = [self._place(point) for point in points]
        self._canvas.polygon(corners, fill=CLEAR)
        if self.line:
            self._canvas.line([*corners, *corners[:2]], fill=(*INK, 255), width=round(self.line), joint="curve")

    def _trace(self, path: Sequence[Point], fill: Colour, thick: float) -> None:
        self._canvas.line(list(path), fill=(*fill, 255), width=max(1, round(thick)), joint="curve")
        for x, y in (path[0], path[-1]):
            half = thick / 2
            self._canvas.ellipse((x - half, y - half, x + half, y + half), fill=(*fill, 255))

    def _place(self, point: Point) -> Point:
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        x, y = point[0] * self.radius, point[1] * self.radius
        return self.centre[0] + x * cos - y * sin, self.centre[1] + x * sin + y * cos
