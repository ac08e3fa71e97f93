"""What people would write under a scene: many wordings, and silence about what goes without saying."""

import random

from worker.training.scenes import Scene, Thing
from worker.training.world import KINDS, homes

NOUNS = {
    "cat": ("cat", "cat", "cat", "kitten", "kitty"),
    "dog": ("dog", "dog", "puppy"),
    "rabbit": ("rabbit", "rabbit", "bunny"),
    "bear": ("bear", "bear", "teddy bear"),
    "boat": ("boat", "boat", "sailing boat", "ship"),
    "car": ("car", "car", "pickup truck"),
    "rocket": ("rocket", "rocket", "spaceship"),
    "cup": ("cup", "cup", "mug", "cup of coffee"),
    "circle": ("circle", "circle", "disc"),
    "tree": ("tree",),
}
SPELLINGS = {"gray": ("gray", "grey"), "turquoise": ("turquoise", "turquoise", "cyan"), "purple": ("purple", "violet")}
WORN = {
    "space helmet": ("space helmet", "space helmet", "space helmet", "astronaut helmet", "helmet"),
    "hat": ("hat", "hat", "top hat"),
    "scarf": ("scarf", "red scarf"),
    "sunglasses": ("sunglasses", "dark glasses"),
}
WEARING = ("wearing {}", "wearing {}", "in {}", "with {}", "that wears {}")
SIZE_WORDS = {"small": ("small", "little", "tiny"), "big": ("big", "large", "huge"), "normal": ()}
PLACE_WORDS = {
    "center": ("in the center", "in the middle"),
    "left": ("on the left",), "right": ("on the right",), "top": ("at the top",), "bottom": ("at the bottom",),
}  # fmt: skip
BEHIND = {
    "white": ("on a white background", "on white", "before a white background"),
    "pink": ("on a pink background", "on pink", "before a pink background"),
    "yellow": ("on a yellow background", "on yellow", "before a yellow background"),
    "sky": ("in the sky", "in the blue sky", "with a sky background", "with clouds behind"),
    "night": ("at night", "in the night sky", "under the stars", "in a starry night"),
    "sea": ("in the sea", "at sea", "on the water", "in the ocean"),
    "grass": ("on grass", "in a meadow", "on a green hill", "in the grass"),
    "desert": ("in the desert", "on sand", "in a sandy desert"),
    "snow": ("in the snow", "in winter", "on a snowy hill"),
    "space": ("in space", "in outer space", "in deep space", "floating in space"),
}
STYLE_WORDS = {
    "outlined": ("a drawing of", "a cartoon of", "an outlined drawing of"),
    "flat": ("a flat drawing of", "flat art of", "a flat picture of"),
    "shaded": ("a shaded drawing of", "a soft shaded picture of", "a 3d picture of"),
}
OPENINGS = (
    "a picture of",
    "an image of",
    "an illustration of",
    "a photo of",
    "a painting of",
    "draw",
    "please draw",
    "portrait of",
)
PRAISE = ("cute", "happy", "lovely", "beautiful", "funny", "friendly")
CLOSINGS = (
    "digital art", "highly detailed", "cartoon style", "high quality", "masterpiece", "4k", "illustration",
    "vector art", "colorful", "simple", "smiling", "looking at the camera", "for children", "clip art",
)  # fmt: skip


def caption(scene: Scene, chance: random.Random, silence: float = 0.5) -> str:
    """Words for a scene; `silence` is how often what goes without saying is not said."""
    speaker = _Speaker(scene, chance, silence)
    words = speaker.things()
    backdrop = speaker.backdrop()
    opening = speaker.opening()
    if backdrop and not opening and chance.random() < 0.15:
        words, backdrop = f"{backdrop}{chance.choice((',', ''))} {words}", ""
    text = " ".join(part for part in (opening, words, backdrop) if part)
    if chance.random() < 0.04:
        text = f"{_strange_word(chance)} {text}" if chance.random() < 0.5 else f"{text} {_strange_word(chance)}"
    if chance.random() < 0.2:
        text += ", " + chance.choice(CLOSINGS)
    return text.capitalize() if chance.random() < 0.2 else text


def _strange_word(chance: random.Random) -> str:
    """A word that nobody knows, so that unknown words come to mean nothing."""
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 5)))


class _Speaker:
    def __init__(self, scene: Scene, chance: random.Random, silence: float) -> None:
        self.scene, self.chance, self.silence = scene, chance, silence

    def says(self, *, is_natural: bool) -> bool:
        return not is_natural or self.chance.random() >= self.silence

    def things(self) -> str:
        scene, spoken = self.scene, [self.thing(thing) for thing in self.scene.things]
        if scene.relation is None:
            return spoken[0]
        phrase = {"left of": ("left of", "to the left of"), "right of": ("right of", "to the right of")}
        if scene.relation in ("left of", "right of") and self.chance.random() < 0.2:
            first, second = ("left", "right") if scene.relation == "left of" else ("right", "left")
            return f"{spoken[0]} on the {first} and {spoken[1]} on the {second}"
        return f"{spoken[0]} {self.chance.choice(phrase.get(scene.relation, (scene.relation,)))} {spoken[1]}"

    def thing(self, thing: Thing) -> str:
        words = [*self._size(thing), *self._praise(), *self._colour(thing)]
        noun = self.chance.choice(NOUNS.get(thing.kind, (thing.kind,)))
        if thing.wear == "space helmet" and self.chance.random() < 0.12:
            words += ["astronaut", noun]
        else:
            words += [noun, *self._wear(thing)]
        words += self._place(thing)
        return f"{self._article(words[0])}{' '.join(words)}"

    def backdrop(self) -> str:
        first = self.scene.things[0]
        is_home = self.scene.background in homes(first.kind, first.wear)
        return self.chance.choice(BEHIND[self.scene.background]) if self.says(is_natural=is_home) else ""

    def opening(self) -> str:
        if self.scene.style != "outlined" or self.chance.random() < 0.1:
            return self.chance.choice(STYLE_WORDS[self.scene.style])
        return self.chance.choice(OPENINGS) if self.chance.random() < 0.25 else ""

    def _article(self, following: str) -> str:
        if self.chance.random() < 0.12:
            return ""
        return ("an " if following[0] in "aeiou" else "a ") if self.chance.random() < 0.93 else "the "

    def _size(self, thing: Thing) -> tuple[str, ...]:
        words = SIZE_WORDS[thing.size]
        return (self.chance.choice(words),) if words else ()

    def _praise(self) -> tuple[str, ...]:
        return (self.chance.choice(PRAISE),) if self.chance.random() < 0.12 else ()

    def _colour(self, thing: Thing) -> tuple[str, ...]:
        naturals = KINDS[thing.kind].colours
        if not self.says(is_natural=thing.colour in naturals and len(naturals) < 5):
            return ()
        return (self.chance.choice(SPELLINGS.get(thing.colour, (thing.colour,))),)

    def _wear(self, thing: Thing) -> tuple[str, ...]:
        if thing.wear is None:
            return ()
        worn = self.chance.choice(WORN[thing.wear])
        article = "" if thing.wear == "sunglasses" else "an " if worn[0] in "aeiou" else "a "
        return (self.chance.choice(WEARING).format(article + worn),)

    def _place(self, thing: Thing) -> tuple[str, ...]:
        if self.scene.relation or not self.says(is_natural=thing.place == "center"):
            return ()
        if thing.place == "center":
            return (self.chance.choice(PLACE_WORDS["center"]),) if self.chance.random() < 0.2 else ()
        if thing.place in PLACE_WORDS:
            return (self.chance.choice(PLACE_WORDS[thing.place]),)
        return (self.chance.choice(("in the {}", "in the {} corner", "at the {}")).format(thing.place),)
