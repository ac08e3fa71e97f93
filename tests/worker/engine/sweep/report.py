"""The table of a sweep, and what it comes to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.worker.engine.sweep.company import Meeting

LIMIT = 1e-4
SHOWN = 200  # letters of a reason
HEAD = "| pipeline | mode | rows a forward pass | refused | largest difference |\n|---|---|---|---|---|"
# Of diffusers' own: the classes that cannot be had here, and what says why.
ABSENT = {
    "AudioLDM2Pipeline": "Can't load feature extractor",  # a checkpoint's
    "ConsisIDPipeline": "requires the OpenCV library",
    "ConsistencyModelPipeline": "consistency-models-test does not appear to have",  # a checkpoint; the project has one
    "GlmImagePipeline": "'NoneType' object has no attribute 'shape'",  # no processor that finds places for pictures
    "Kandinsky5I2IPipeline": "should be the same as the number of images",  # its template is in a checkpoint's tokens
    "LEditsPPPipelineStableDiffusionXL": "mat1 and mat2 shapes cannot be multiplied",  # as diffusers' own test calls it
    "OmniGenPipeline": "OmniGenMultiModalProcessor",  # torchvision
    "StableDiffusionAdapterPipeline": "missing 1 required positional argument",  # a base of tests
    "StableDiffusionDepth2ImgPipeline": "Can't load image processor",  # a checkpoint's
    "StableAudioPipeline": "requires the torchsde library",
}


@dataclass(frozen=True)
class Row:
    """One class, or all of a family, and how it went; or what it lacks."""

    name: str
    classes: int
    requests: int = 0
    meeting: Meeting | None = None
    lack: str = ""

    @property
    def is_absent(self) -> bool:
        return any(name in self.name and reason in self.lack for name, reason in ABSENT.items())

    @property
    def failure(self) -> str:
        if not self.meeting:
            return "" if self.is_absent else self.lack
        far = {name: f"{value:.1e}" for name, value in self.meeting.differences.items() if value > LIMIT}
        return str(far) if far else ""

    def __str__(self) -> str:
        if not self.meeting:
            return f"| {self.name} | {self.lack[:SHOWN]} | | | |"
        stepped = f"{self.meeting.stepped.module} {self.meeting.stepped.mean_rows:.2f}"
        refused = f"{len(self.meeting.refused)} of {self.requests}"
        worst = f"{self.meeting.differences[self.meeting.worst]:.1e} {self.failure}"
        return f"| {self.name} | {self.meeting.mode} | {stepped} | {refused} | {worst.strip()} |"


def refusals(row: Row) -> Iterator[str]:
    """Yields what of a row's requests the stock pipeline itself refuses, and why."""
    for name, error in (row.meeting.refused if row.meeting else {}).items():
        yield f"    {name}: {type(error).__name__}: {' '.join(str(error).split())[:150]}"


def summary(rows: Sequence[Row]) -> Iterator[str]:
    """Yields what all rows come to, and last what fails."""
    met = [(row, row.meeting) for row in rows if row.meeting]
    kinds = Counter("classes" if row.classes == 1 else "families" for row, _ in met)
    modes = Counter(meeting.mode for _, meeting in met)
    yield f"{_listed(kinds)}: {_listed(modes)}."
    refused = sum(len(meeting.refused) for _, meeting in met)
    served = sum(row.requests for row, _ in met) - refused
    yield f"{served} requests, each twice; {refused} more that the stock pipeline refuses, too."
    for row, meeting in met:
        if meeting.mode == "alone":
            yield f"Alone: {row.name}: {'; '.join(meeting.reasons)[:SHOWN]}"
    absent = [row for row in rows if row.is_absent]
    yield from (f"Not to be had here: {row.name}: {row.lack[:SHOWN]}" for row in absent)
    if met:
        row, meeting = max(met, key=lambda each: each[1].differences[each[1].worst])
        yield f"Largest difference: {meeting.differences[meeting.worst]:.1e} ({row.name}: {meeting.worst})."
    failures = [f"{row.name}: {row.failure}" for row in rows if row.failure] or ([] if met else ["nothing was swept"])
    yield from (f"FAILED: {failure}" for failure in failures)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
