from diffusers import StableDiffusionPipeline

from worker.training.evaluate import BARS, evaluate, format_table, measure, with_few_steps
from worker.training.judge import Judge


def test_the_table_is_markdown_with_the_bars_below() -> None:
    table = format_table({"20 steps": {"kind": 0.5, "colour": 1.0}}, {"kind": 0.92, "place": 0.9})

    assert table.splitlines() == [
        "| | kind | colour | place |",
        "|---|---|---|---|",
        "| 20 steps | 50% | 100% | - |",
        "| bar | 92% | - | 90% |",
    ]


def test_the_whole_evaluation_runs(untaught_pipeline: StableDiffusionPipeline, untaught_judge: Judge) -> None:
    table = evaluate(untaught_pipeline, untaught_judge, count=9, guidance=4.0, seed=3)
    measures = measure(untaught_pipeline, untaught_judge, count=9, guidance=4.0, seed=3)

    assert len(table) == 4
    assert all(set(BARS) - {"wear"} <= set(scores) for scores in table.values())
    assert len(measures) == 4


def test_eight_steps_leave_the_pipeline_as_it_was(untaught_pipeline: StableDiffusionPipeline) -> None:
    quick = with_few_steps(untaught_pipeline)

    assert type(quick.scheduler).__name__ == "DPMSolverMultistepScheduler"
    assert type(untaught_pipeline.scheduler).__name__ == "DDIMScheduler"
    assert quick.unet is untaught_pipeline.unet
