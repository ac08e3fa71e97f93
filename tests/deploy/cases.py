from collections.abc import Callable, Iterator

from tests.deploy.report import Line
from tests.deploy.site import Site

Case = Callable[[Site], Iterator[Line]]

CASES: dict[str, Case] = {}
