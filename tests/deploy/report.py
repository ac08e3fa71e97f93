from dataclasses import dataclass

HEAD = ("case", "promise", "figure", "holds")


@dataclass(frozen=True)
class Line:
    """One promise of a case, and what was measured of it."""

    promise: str
    figure: str
    holds: bool


def row(case: str, line: Line) -> str:
    """In Markdown."""
    return f"| {case} | {line.promise} | {line.figure} | {'yes' if line.holds else 'NO'} |"


def heading() -> str:
    return f"| {' | '.join(HEAD)} |\n{'| --- ' * len(HEAD)}|"
