import torch
from diffusers import StableDiffusionPipeline

from worker.training.adherence import adherence, held_out_scenes, prompts_for, score
from worker.training.judge import Judge
from worker.training.scenes import Scene, Thing, is_held_out
from worker.training.stream import draw_scenes, to_unit


def test_judging_scenes_are_held_out_and_always_the_same() -> None:
    scenes = held_out_scenes(60, seed=1)

    assert scenes == held_out_scenes(60, seed=1)
    assert scenes != held_out_scenes(60, seed=2)
    assert all(is_held_out(thing) for scene in scenes for thing in scene.things)
    assert [len(scene.things) for scene in scenes] == [1, 1, 2] * 20
    assert [scene.things[0].place == "center" for scene in scenes] == [True, False, False] * 20


def test_the_prompts_leave_nothing_unsaid() -> None:
    scenes = [Scene((Thing("cat", "orange"),), "grass") for _ in range(20)]

    prompts = prompts_for(scenes, seed=0)

    assert all("orange" in prompt.lower() for prompt in prompts)
    assert prompts == prompts_for(scenes, seed=0)


def test_every_question_is_asked_where_there_is_occasion(
    untaught_pipeline: StableDiffusionPipeline, untaught_judge: Judge
) -> None:
    scores = adherence(untaught_pipeline, untaught_judge, held_out_scenes(16, seed=3), 1, guidance=4.0, seed=3)

    assert set(scores) == {"kind", "colour", "place", "wear", "background", "two in order"}
    assert all(0 <= share < 0.8 for share in scores.values())


def test_no_question_is_asked_without_occasion(untaught_judge: Judge) -> None:
    scenes = [Scene((Thing("circle", "red"),), "white", seed=seed) for seed in range(3)]

    scores = score(untaught_judge, to_unit(draw_scenes(scenes, 128).images), scenes)

    assert set(scores) == {"kind", "colour", "background"}


def test_two_things_count_only_when_both_are_right() -> None:
    class Believer(Judge):
        """Takes every thing for the first kind, a cat."""

        def forward(self, cuts: torch.Tensor, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {
                asked: torch.eye(1, len(answers[0])).repeat(len(cuts), 1)
                for asked, answers in super().forward(cuts, images).items()
            }

    pairs = [
        Scene((Thing("cat", "red", place="left"), Thing("dog", "red", place="right")), "white", relation="left of"),
        Scene((Thing("cat", "red", place="left"), Thing("cat", "blue", place="right")), "white", relation="left of"),
    ]

    scores = score(Believer(), to_unit(draw_scenes(pairs, 128).images), pairs)

    assert scores == {"background": 1.0, "two in order": 0.5}
