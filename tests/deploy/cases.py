from collections.abc import Callable, Iterator

from tests.deploy.alerts import alerts
from tests.deploy.autoscaling import autoscaling
from tests.deploy.dashboard import dashboard
from tests.deploy.manifests import manifests
from tests.deploy.report import Line
from tests.deploy.s3 import s3
from tests.deploy.site import Site

Case = Callable[[Site], Iterator[Line]]

CASES: dict[str, Case] = {
    "manifests": manifests,
    "alerts": alerts,
    "dashboard": dashboard,
    "autoscaling": autoscaling,
    "s3": s3,
}
