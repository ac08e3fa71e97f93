from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from worker.training.chance import chance_for
from worker.training.judge import ASKED, CROP, cut_out, is_right, train_judge, truths
from worker.training.loop import Plan
from worker.training.scenes import Scene, Thing, Variety, sample_scene
from worker.training.stream import draw_scenes, to_unit
from worker.training.text_encoder import QUESTIONS, answers
from worker.training.world import PLACES

PAIR = Scene((Thing("cat", "red", "hat", place="left"), Thing("dog", "blue", place="right")), "sea", relation="left of")


def test_the_judge_looks_where_the_thing_is() -> None:
    scenes = [Scene((Thing("circle", "red", place=place),), "white") for place in PLACES]

    covers = draw_scenes(scenes, 128).covers.float() / 255
    seen = [cut_out(cover, scene).mean().item() for cover, scene in zip(covers, scenes, strict=True)]

    assert min(seen) > 0.25
    assert cut_out(covers[0], scenes[0]).shape[-2:] == (CROP, CROP)


def test_an_unsteady_look_still_holds_the_thing() -> None:
    scene = Scene((Thing("circle", "red", place="top left"),), "white")
    cover, chance = draw_scenes([scene], 128).covers[0].float() / 255, chance_for("eye")

    seen = [cut_out(cover, scene, unsteady=chance).mean().item() for _ in range(20)]

    assert min(seen) > 0.2
    assert len(set(seen)) > 10


def test_each_thing_of_a_pair_is_asked_for_itself() -> None:
    first, second = (
        {asked: QUESTIONS[asked][choice] for asked, choice in zip(ASKED, truths(PAIR, which), strict=True)}
        for which in (0, 1)
    )

    assert first == {"kind": "cat", "colour": "red", "wear": "hat", "place": "left", "background": "sea"}
    assert second == {"kind": "dog", "colour": "blue", "wear": None, "place": "right", "background": "sea"}


def test_every_question_has_an_answer() -> None:
    named = dict(zip(QUESTIONS, answers(PAIR), strict=True))

    assert QUESTIONS["kind"][named["kind"]] == "cat"
    assert QUESTIONS["second kind"][named["second kind"]] == "dog"
    assert QUESTIONS["wear"][named["wear"]] == "hat"
    assert QUESTIONS["second wear"][named["second wear"]] is None
    assert QUESTIONS["relation"][named["relation"]] == "left of"


def test_a_judge_learns_from_drawings_and_is_found_again(
    tmp_path: Path, untaught_pipeline: StableDiffusionPipeline
) -> None:
    plan = Plan(steps=40, batch=16, rate=3e-3, warmup=5, averaging=0.7)
    variety = Variety(kinds=("circle", "star"), colours=("red", "blue"), natural=0.0)
    scenes = [sample_scene(variety, seed) for seed in range(60)]
    images = to_unit(draw_scenes(scenes, 128).images)

    judge = train_judge(tmp_path, untaught_pipeline.vae, variety, 0, plan, bank=128)
    again = train_judge(tmp_path, untaught_pipeline.vae, variety, 0, plan, bank=128)
    hits = is_right(judge, images, scenes)

    assert hits["colour"].float().mean() > 0.7
    assert all(torch.equal(hits[asked], is_right(again, images, scenes)[asked]) for asked in ASKED)
