import pytest

from tests.chaos.cases import CASES, play
from tests.chaos.form import SHORT
from tests.chaos.verdict import Verdict

SEED = 5


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    """All cases, several at once: they mostly wait."""
    return dict(zip(CASES, play(CASES, SHORT, SEED, tell=lambda _case, _ended, _jobs: None), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_no_fault_loses_a_job_or_publishes_one_twice(verdicts: dict[str, Verdict], case: str) -> None:
    assert verdicts[case].sentences() == []
    assert verdicts[case].jobs > 0
