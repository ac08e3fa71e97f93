import statistics
from collections.abc import Callable, Sequence

from benchmarks.serving.measure import Measure

COLUMNS: dict[str, Callable[[Measure], float | None]] = {
    "images/s": lambda each: each.images_per_s,
    "p50 s": lambda each: each.p50_s,
    "p95 s": lambda each: each.p95_s,
    "CPU s an image": lambda each: each.cpu_s_per_image,
    "from alone": lambda each: each.difference,
    "join delay, steps": lambda each: each.join_delay_steps,
    "outside modules": lambda each: each.outside,
}
FORMATS = {"from alone": "{:.1e}", "join delay, steps": "{:.0f}", "outside modules": "{:.1%}"}

Repeats = Sequence[Sequence[Measure]]


def table(repeats: Repeats) -> str:
    """Returns the medians of the repeats, as Markdown."""
    lines = [_line("workload", "system", *COLUMNS), _line(*["---"] * (2 + len(COLUMNS)))]
    for same in zip(*repeats, strict=True):
        cells = [_cell(name, [value(each) for each in same]) for name, value in COLUMNS.items()]
        lines.append(_line(same[0].workload, same[0].system, *cells))
    return "\n".join(lines)


def ratios(repeats: Repeats) -> str:
    """Returns the engine's images per second against each other system's, ratios taken within each repeat."""
    lines = []
    for workload in dict.fromkeys(each.workload for each in repeats[0]):
        speeds = [
            {each.system: each.images_per_s for each in repeat if each.workload == workload} for repeat in repeats
        ]
        for system in speeds[0]:
            if system != "engine":
                each = [speed["engine"] / speed[system] for speed in speeds]
                lines.append(
                    f"{workload}: engine {statistics.median(each):.2f}x {system} ({min(each):.2f} to {max(each):.2f})"
                )
    return "\n".join(lines)


def _cell(name: str, values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return FORMATS.get(name, "{:.2f}").format(statistics.median(known)) if known else ""


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
