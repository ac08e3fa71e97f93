from collections.abc import Callable, Iterator

from tests.deploy.alerts import alerts
from tests.deploy.manifests import manifests
from tests.deploy.report import Line
from tests.deploy.s3 import s3
from tests.deploy.site import Site

Case = Callable[[Site], Iterator[Line]]

CASES: dict[str, Case] = {"manifests": manifests, "alerts": alerts, "s3": s3}
