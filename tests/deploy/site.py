import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Site:
    """What the cases work with: a scratch folder, a clean clone of what is committed, and what ends with them."""

    folder: Path
    clone: Path
    resources: ExitStack


@contextmanager
def prepared() -> Iterator[Site]:
    """A site that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="deploy-") as folder, ExitStack() as resources:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", PROJECT, clone], check=True)
        yield Site(Path(folder), clone, resources)
