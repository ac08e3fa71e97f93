import pytest

from worker.training.scenes import WHOLE_WORLD, Scene, Thing, Variety, is_held_out, sample_scene
from worker.training.world import BACKGROUNDS, COLOURS, KINDS, PLACES, STYLES


def test_a_scene_is_the_same_for_the_same_seed() -> None:
    first = [sample_scene(WHOLE_WORLD, seed) for seed in range(200)]

    again = [sample_scene(WHOLE_WORLD, seed) for seed in range(200)]

    assert first == again
    assert len(set(first)) == 200


@pytest.mark.parametrize("held_out", [False, True])
def test_training_and_judging_never_share_a_combination(held_out: bool) -> None:
    scenes = [sample_scene(WHOLE_WORLD, seed, held_out=held_out) for seed in range(1500)]

    sides = {is_held_out(thing) for scene in scenes for thing in scene.things}

    assert sides == {held_out}


def test_about_one_combination_in_eleven_is_held_out() -> None:
    combinations = [Thing(kind, colour, place=place) for kind in KINDS for colour in COLOURS for place in PLACES]

    share = sum(map(is_held_out, combinations)) / len(combinations)

    assert 0.07 < share < 0.1


def test_the_whole_world_comes_up() -> None:
    scenes = [sample_scene(WHOLE_WORLD, seed) for seed in range(4000)]
    things = [thing for scene in scenes for thing in scene.things]

    assert {thing.kind for thing in things} == set(KINDS)
    assert {thing.colour for thing in things} == set(COLOURS)
    assert {thing.place for thing in things} == set(PLACES)
    assert {scene.background for scene in scenes} == set(BACKGROUNDS)
    assert {scene.style for scene in scenes} == set(STYLES)
    assert len(KINDS) >= 24


def test_only_those_with_a_head_wear_something() -> None:
    scenes = [sample_scene(Variety(worn=1.0), seed) for seed in range(500)]

    wearers = {thing.kind for scene in scenes for thing in scene.things if thing.wear}

    assert wearers == {kind for kind, traits in KINDS.items() if traits.wears}


def test_a_relation_is_where_the_things_are() -> None:
    scene = Scene((Thing("cat", "red", place="left"), Thing("dog", "blue", place="right")), "white", relation="left of")

    cat, dog = (scene.centre(thing) for thing in scene.things)

    assert cat[0] < dog[0]
    assert cat[1] == dog[1]
