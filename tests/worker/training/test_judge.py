import torch

from worker.training.evaluate import format_table
from worker.training.judge import CROP, Judge, cut_out, score
from worker.training.scenes import Scene, Thing, Variety, sample_scene
from worker.training.stream import draw_scenes, to_unit
from worker.training.text_encoder import QUESTIONS, answers
from worker.training.world import PLACES


def test_the_judge_looks_where_the_thing_is() -> None:
    scenes = [Scene((Thing("circle", "red", place=place),), "white") for place in PLACES]

    covers = draw_scenes(scenes, 128).covers.float() / 255
    seen = [cut_out(cover, scene).mean().item() for cover, scene in zip(covers, scenes, strict=True)]

    assert min(seen) > 0.25
    assert cut_out(covers[0], scenes[0]).shape[-2:] == (CROP, CROP)


def test_scores_are_shares_of_right_answers() -> None:
    torch.manual_seed(0)
    scenes = [sample_scene(Variety(), seed) for seed in range(40)]

    scores = score(Judge(), to_unit(draw_scenes(scenes, 128).images), scenes)

    assert set(scores) == {"kind", "colour", "wear", "background"}
    assert all(0 <= share < 0.7 for share in scores.values())


def test_every_question_has_an_answer() -> None:
    scene = Scene(
        (Thing("cat", "red", "hat", place="left"), Thing("dog", "blue", place="right")), "sea", relation="left of"
    )

    named = dict(zip(QUESTIONS, answers(scene), strict=True))

    assert QUESTIONS["kind"][named["kind"]] == "cat"
    assert QUESTIONS["second kind"][named["second kind"]] == "dog"
    assert QUESTIONS["wear"][named["wear"]] == "hat"
    assert QUESTIONS["second wear"][named["second wear"]] is None
    assert QUESTIONS["relation"][named["relation"]] == "left of"


def test_the_table_is_markdown() -> None:
    table = format_table({"seen, model": {"kind": 0.5, "colour": 1.0}})

    assert table.splitlines() == ["| | kind | colour |", "|---|---|---|", "| seen, model | 50% | 100% |"]
