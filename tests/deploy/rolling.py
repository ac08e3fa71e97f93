import json
from collections.abc import Iterator

from tests.deploy.ledger import Answers
from tests.deploy.load import Load, loading
from tests.deploy.report import Line
from tests.deploy.service import WEBHOOK_PORT, Service, standing
from tests.deploy.site import Site
from tests.worker.receiver import Receiver, receiving

REPLACED = ("api-1", "api-2", "worker", "courier")  # by another of its kind, or nobody asks it anything
ALONE = ("haproxy", "redis")  # while it is away clients are refused
RELOADED = "Loading success"  # says haproxy's master
CLIENTS = 4
PATIENCE_S = 30.0


def rolling(site: Site) -> Iterator[Line]:
    """Every service is recreated under load, one after the other."""
    service = standing(site)
    with receiving(host=service.gateway, port=WEBHOOK_PORT) as receiver:
        with loading(service.stack.url, CLIENTS, webhook={"url": receiver.url}) as load:
            for name in REPLACED:
                yield _is_recreated(service, load, name, "no request fails")
            yield _is_told_of_another_configuration(service, load)
            load.patience_s = PATIENCE_S
            for name in ALONE:
                yield _is_recreated(service, load, name, "who asks again as Retry-After says is answered")
        figure, holds = service.none_lost(load.jobs)
        figure += f", each started {load.jobs.attempts} time"
        yield Line("no job is lost or interrupted", figure, holds and load.jobs.attempts == 1)
        yield _is_all_told(service, load, receiver)


def _is_recreated(service: Service, load: Load, name: str, promise: str) -> Line:
    load.answers = Answers()
    _go_on(service, load)
    took_s = service.recreate(name)
    service.until_ready()
    _go_on(service, load)
    figure, holds = load.answers.none_failed()
    return Line(f"{name} is recreated: {promise}", f"{figure}; healthy after {took_s:.0f} s", holds)


def _is_told_of_another_configuration(service: Service, load: Load) -> Line:
    load.answers = Answers()
    _go_on(service, load)
    before = service.stack.logs("haproxy").count(RELOADED)
    service.stack.compose("kill", "-s", "HUP", "haproxy")
    took_s = service.until(lambda: service.stack.logs("haproxy").count(RELOADED) > before, "haproxy reads nothing")
    _go_on(service, load)
    figure, holds = load.answers.none_failed()
    return Line("haproxy reads its configuration again: no request fails", f"{figure}; after {took_s:.1f} s", holds)


def _go_on(service: Service, load: Load) -> None:
    """Until every client has had a job taken."""
    enough = len(load.jobs) + CLIENTS
    service.until(lambda: len(load.jobs) > enough, "no job is taken any more")


def _is_all_told(service: Service, load: Load, receiver: Receiver) -> Line:
    def told() -> set[str]:
        return {json.loads(heard.body)["data"]["id"] for heard in receiver.heard}

    service.until(lambda: told() >= load.jobs.seen.keys(), "there are webhooks missing")
    return Line(
        "the end of every job is told",
        f"{len(told())} jobs by {len(receiver.heard)} webhooks",
        told() == load.jobs.seen.keys(),
    )
