import argparse
import logging
import sys

from app.contract import logs
from app.contract.catalogue import CatalogueUnreadable
from app.contract.errors import ModelUnloadable
from app.contract.settings import Settings
from app.contract.unstartable import Unstartable
from worker.main import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m worker", description="Runs one Darkroom worker.")
    parser.add_argument("--name", help="the worker's name in rq; it begins with darkroom-")
    name, settings = parser.parse_args().name, Settings()
    logs.set_up(settings.log_format, settings.log_level)
    try:
        main(settings, name)
    except (CatalogueUnreadable, ModelUnloadable, Unstartable) as error:
        logging.getLogger("worker").critical(str(error))
        sys.exit(1)
