"""Gives back and fails the jobs of dead workers while no other worker lives: `python -m worker.keeper`.

It is a worker without room, which has neither models nor torch and so is there at once.
"""

import argparse
from functools import partial

from app.contract import logs
from app.contract.catalogue import Catalogue
from app.contract.settings import Settings
from app.contract.tracing import Tracer
from worker.queue import QueueWorker
from worker.redis_client import connect
from worker.witness import developing


def main(settings: Settings, name: str | None = None) -> None:
    models = list(Catalogue.read(settings.catalogue).models)
    QueueWorker(
        models,
        name,
        connection=connect(settings.redis_address),
        observe=partial(developing, tracer=Tracer()),
        capacity=0,
        lease_s=settings.lease_s,
    ).work()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m worker.keeper", description="Keeps the queue in order.")
    parser.add_argument("--name", help="the keeper's name in rq; it begins with darkroom-")
    name, settings = parser.parse_args().name, Settings()
    logs.set_up(settings.log_format, settings.log_level)
    main(settings, name)
