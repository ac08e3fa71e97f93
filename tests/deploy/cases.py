from collections.abc import Callable, Iterator

from tests.deploy.alerts import alerts
from tests.deploy.autoscaling import autoscaling
from tests.deploy.balancer import balancer
from tests.deploy.dashboard import dashboard
from tests.deploy.hardened import hardened
from tests.deploy.images import images
from tests.deploy.kills import kills
from tests.deploy.manifests import manifests
from tests.deploy.pods import pods
from tests.deploy.report import Line
from tests.deploy.rolling import rolling
from tests.deploy.s3 import s3
from tests.deploy.scraped import scraped
from tests.deploy.site import Site
from tests.deploy.stack import stack
from tests.deploy.workers import workers

Case = Callable[[Site], Iterator[Line]]

CASES: dict[str, Case] = {
    "manifests": manifests,
    "alerts": alerts,
    "dashboard": dashboard,
    "autoscaling": autoscaling,
    "s3": s3,
    "images": images,
    "hardened": hardened,
    "balancer": balancer,
    "pods": pods,
    "stack": stack,
    "kills": kills,
    "rolling": rolling,
    "workers": workers,  # after the others on this stack, for it asks for keys
    "scraped": scraped,
}
