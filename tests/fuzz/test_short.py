from pathlib import Path

import pytest

from tests.fuzz.run import fuzz


@pytest.mark.timeout(300)
def test_whatever_the_description_allows_is_taken_and_the_rest_refused(tmp_path: Path) -> None:
    report = fuzz(tmp_path, examples=2, seed=7)

    assert report.holds, report.text
    assert report.cases > 1_000
