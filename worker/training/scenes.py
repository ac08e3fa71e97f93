"""A scene says what is in a picture; a variety says which scenes may come."""

import random
from dataclasses import dataclass, replace

from worker.training.chance import chance_for
from worker.training.world import BACKGROUNDS, COLOURS, KINDS, PLACES, RELATIONS, STYLES, WEAR, homes

_KIND_ORDER, _COLOUR_ORDER = tuple(KINDS), tuple(COLOURS)
_HIDDEN = {  # a colour cannot be seen before these
    "white": ("white", "snow"), "black": ("space", "night"), "pink": ("pink",), "yellow": ("yellow",),
}  # fmt: skip
_CENTRED_RADIUS = {"small": 0.2, "normal": 0.35, "big": 0.43}  # in widths of the picture
_PLACED_RADIUS = {"small": 0.15, "normal": 0.21, "big": 0.26}
_STEP = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1), "center": (0, 0)}
_BESIDE = {
    "left of": ("left", "right"),
    "right of": ("right", "left"),
    "above": ("top", "bottom"),
    "below": ("bottom", "top"),
}


@dataclass(frozen=True)
class Thing:
    kind: str
    colour: str
    wear: str | None = None
    size: str = "normal"
    place: str = "center"


@dataclass(frozen=True)
class Scene:
    """One thing, or two of which the first is `relation` the second."""

    things: tuple[Thing, ...]
    background: str
    style: str = "outlined"
    relation: str | None = None
    seed: int = 0

    def radius(self, thing: Thing) -> float:
        is_centred = self.relation is None and thing.place == "center"
        return (_CENTRED_RADIUS if is_centred else _PLACED_RADIUS)[thing.size]

    def centre(self, thing: Thing) -> tuple[float, float]:
        """Where the thing is before jitter, in widths of the picture from its upper left corner."""
        reach = 0.47 - self.radius(thing)
        steps = [_STEP[word] for word in thing.place.split()]
        return 0.5 + reach * sum(x for x, _ in steps), 0.5 + reach * sum(y for _, y in steps)


@dataclass(frozen=True)
class Variety:
    """What may come, and how often: a stage of the curriculum narrows the world with it."""

    kinds: tuple[str, ...] = _KIND_ORDER
    colours: tuple[str, ...] = _COLOUR_ORDER
    sizes: tuple[str, ...] = ("normal",)
    styles: tuple[str, ...] = ("outlined",)
    placed: float = 0.0  # share of the scenes whose one thing is not in the middle
    pairs: float = 0.0  # share of the scenes with two things
    natural: float = (
        0.4  # share of the things in a colour, and of the scenes before a background, that goes without saying
    )
    worn: float = 0.35  # share of those with a head who wear something
    favourite: float = 0.15  # extra share of cats; every second one of them an astronaut


WHOLE_WORLD = Variety(sizes=("normal", "small", "big"), styles=STYLES, placed=0.3, pairs=0.3)


def is_held_out(thing: Thing) -> bool:
    """Whether the (kind, colour, place) is kept for judging; what goes without saying never is."""
    kind, colour = _KIND_ORDER.index(thing.kind), _COLOUR_ORDER.index(thing.colour)
    naturals = KINDS[thing.kind].colours
    is_natural = len(naturals) < len(COLOURS) and thing.colour in naturals
    return (3 * kind + 5 * colour + 7 * PLACES.index(thing.place)) % 11 == 0 and not is_natural


def sample_scene(variety: Variety, seed: int, *, held_out: bool = False) -> Scene:
    """Draws a scene that is the same for the same seed, from the training side or from the held-out side."""
    chance = chance_for(str(seed))
    while True:
        scene = _sample(variety, chance, seed)
        if _is_visible(scene) and all(is_held_out(thing) == held_out for thing in scene.things):
            return scene


def _sample(variety: Variety, chance: random.Random, seed: int) -> Scene:
    first, share = _sample_thing(variety, chance), chance.random()
    things: tuple[Thing, ...] = (first,)
    relation = None
    if share < variety.pairs:
        relation = chance.choice(RELATIONS)
        places = _BESIDE[relation]
        things = tuple(
            replace(thing, place=place, size="normal")
            for thing, place in zip((first, _sample_thing(variety, chance)), places, strict=True)
        )
    elif share < variety.pairs + variety.placed:
        things = (replace(first, place=chance.choice(PLACES[1:])),)
    is_home = chance.random() < variety.natural
    background = chance.choice(homes(first.kind, first.wear) if is_home else BACKGROUNDS)
    return Scene(things, background, chance.choice(variety.styles), relation, seed)


def _sample_thing(variety: Variety, chance: random.Random) -> Thing:
    is_favourite = chance.random() < variety.favourite
    kind = "cat" if is_favourite else chance.choice(variety.kinds)
    is_natural = chance.random() < variety.natural
    naturals = [colour for colour in KINDS[kind].colours if colour in variety.colours]
    colour = chance.choice(naturals if is_natural and naturals else variety.colours)
    wear = None
    if is_favourite and chance.random() < 0.5:
        wear = "space helmet"
    elif KINDS[kind].wears and chance.random() < variety.worn:
        wear = chance.choice(WEAR)
    return Thing(kind, colour, wear, chance.choice(variety.sizes))


def _is_visible(scene: Scene) -> bool:
    kinds = [thing.kind for thing in scene.things]
    hidden = any(scene.background in _HIDDEN.get(thing.colour, ()) for thing in scene.things)
    return not hidden and len(set(kinds)) == len(kinds)
