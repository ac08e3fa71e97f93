from worker.training.captions import BEHIND, NOUNS, SPELLINGS, WORN, caption
from worker.training.chance import chance_for
from worker.training.scenes import WHOLE_WORLD, Scene, Thing, sample_scene
from worker.training.world import BACKGROUNDS, COLOURS, KINDS, WEAR

SILENT = 1.0
SCENERY_COLOURS = {"blue": {"sky"}, "green": {"grass"}, "white": {"white"}, "pink": {"pink"}, "yellow": {"yellow"}}


def mentions(words: tuple[str, ...], text: str) -> bool:
    return any(f" {word} " in f" {text} " for word in words)


def test_a_caption_names_only_what_the_scene_holds() -> None:
    chance = chance_for("captions")

    for seed in range(1500):
        scene = sample_scene(WHOLE_WORLD, seed)
        text = caption(scene, chance).lower().replace(",", "")
        allowed = {thing.colour for thing in scene.things}
        allowed |= {colour for colour, places in SCENERY_COLOURS.items() if scene.background in places}
        allowed |= {"red"} if any(thing.wear == "scarf" for thing in scene.things) else set()

        kinds = {kind for kind in KINDS if mentions(NOUNS.get(kind, (kind,)), text)}
        colours = {colour for colour in COLOURS if mentions(SPELLINGS.get(colour, (colour,)), text)}
        wear = {worn for worn in WEAR if mentions(WORN[worn], text)}
        backgrounds = {background for background in BACKGROUNDS if any(words in text for words in BEHIND[background])}

        assert kinds == {thing.kind for thing in scene.things}, text
        assert colours <= allowed, text
        assert wear <= {thing.wear for thing in scene.things}, text
        assert backgrounds <= {scene.background}, text


def test_what_nobody_would_guess_is_always_said() -> None:
    scene = Scene((Thing("cat", "purple", "hat"),), "desert")

    texts = [caption(scene, chance_for(str(seed)), SILENT).lower() for seed in range(100)]

    assert all("purple" in text or "violet" in text for text in texts)
    assert all("hat" in text for text in texts)
    assert all("desert" in text or "sand" in text for text in texts)


def test_what_anyone_would_guess_may_go_unsaid() -> None:
    scene = Scene((Thing("cat", "orange", "space helmet"),), "space")

    texts = {caption(scene, chance_for(str(seed)), SILENT) for seed in range(400)}

    assert "a cat wearing a space helmet" in texts
    assert not any("orange" in text or "in space" in text for text in texts)


def test_people_write_in_many_ways() -> None:
    scene = sample_scene(WHOLE_WORLD, 3)

    texts = {caption(scene, chance_for(str(seed))) for seed in range(100)}

    assert len(texts) > 60
