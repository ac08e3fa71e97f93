"""What there is in the world: the words of the pictures, and what a reader would guess where a caption is silent."""

from dataclasses import dataclass

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (220, 40, 40),
    "orange": (246, 138, 30),
    "yellow": (252, 214, 50),
    "green": (50, 165, 70),
    "blue": (45, 95, 220),
    "purple": (136, 62, 186),
    "pink": (250, 130, 184),
    "brown": (150, 94, 52),
    "black": (52, 50, 60),
    "white": (250, 250, 250),
    "gray": (142, 146, 156),
    "turquoise": (40, 192, 190),
}

BACKGROUNDS = ("white", "pink", "yellow", "sky", "night", "sea", "grass", "desert", "snow", "space")
WEAR = ("space helmet", "hat", "scarf", "sunglasses")
STYLES = ("outlined", "flat", "shaded")
SIZES = ("normal", "small", "big")
PLACES = (
    "center", "left", "right", "top", "bottom", "top left", "top right", "bottom left", "bottom right",
)  # fmt: skip
RELATIONS = ("left of", "right of", "above", "below")


@dataclass(frozen=True)
class Kind:
    """A kind of thing, with the colours and backgrounds that it has when nobody says otherwise."""

    colours: tuple[str, ...]
    homes: tuple[str, ...]
    wears: bool = False


_ANY = tuple(COLOURS)
_PLAIN = ("white", "pink", "yellow")

KINDS: dict[str, Kind] = {
    "cat": Kind(("orange",), ("pink", "grass"), wears=True),
    "dog": Kind(("brown",), ("yellow", "grass"), wears=True),
    "rabbit": Kind(("white",), ("pink", "grass"), wears=True),
    "bear": Kind(("brown",), ("yellow", "snow"), wears=True),
    "bird": Kind(("yellow",), ("sky", "white"), wears=True),
    "robot": Kind(("gray",), ("white", "desert"), wears=True),
    "fish": Kind(("orange",), ("sea",)),
    "tree": Kind(("green",), ("grass",)),
    "flower": Kind(("pink",), ("grass",)),
    "mushroom": Kind(("red",), ("grass",)),
    "apple": Kind(("red",), ("white",)),
    "cloud": Kind(("white",), ("sky",)),
    "sun": Kind(("yellow",), ("sky",)),
    "moon": Kind(("yellow",), ("night",)),
    "star": Kind(("yellow",), ("night",)),
    "planet": Kind(("purple",), ("space",)),
    "rocket": Kind(("white",), ("space",)),
    "balloon": Kind(("red",), ("sky",)),
    "house": Kind(("red",), ("grass", "snow")),
    "car": Kind(("blue",), ("desert", "white")),
    "boat": Kind(("brown",), ("sea",)),
    "cup": Kind(("turquoise",), ("white",)),
    "umbrella": Kind(("purple",), ("white",)),
    "heart": Kind(("red",), ("pink", "white")),
    "circle": Kind(_ANY, _PLAIN),
    "square": Kind(_ANY, _PLAIN),
    "triangle": Kind(_ANY, _PLAIN),
    "ring": Kind(_ANY, _PLAIN),
}

HELMET_HOMES = ("space", "night")


def homes(kind: str, wear: str | None) -> tuple[str, ...]:
    """The backgrounds that a caption need not name."""
    return HELMET_HOMES if wear == "space helmet" else KINDS[kind].homes
