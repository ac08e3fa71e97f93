"""Gives back and fails the jobs of dead workers while no other worker lives: `python -m worker.keeper`.

It is a worker without room, which has neither models nor torch and so is there at once.
"""

import argparse
import logging

from app.contract.catalogue import Catalogue
from app.contract.settings import Settings
from worker.queue import QueueWorker
from worker.redis_client import connect


def main(settings: Settings, name: str | None = None) -> None:
    models = list(Catalogue.read(settings.catalogue).models)
    QueueWorker(models, name, connection=connect(settings.redis_address), capacity=0, lease_s=settings.lease_s).work()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    parser = argparse.ArgumentParser(prog="python -m worker.keeper", description="Keeps the queue in order.")
    parser.add_argument("--name", help="the keeper's name in rq; it begins with darkroom-")
    main(Settings(), parser.parse_args().name)
