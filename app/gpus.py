"""Which GPUs there are, told without torch."""

from itertools import takewhile
from pathlib import Path

DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder for each; a container sees its own alone
NONE = ("", "-1")  # CUDA stops reading at the first of these


def visible_gpus(chosen: str | None, driver: Path = DRIVER) -> list[str]:
    """What to write into CUDA_VISIBLE_DEVICES for each GPU, if so much is chosen there already; None: all are."""
    if chosen is not None:
        return list(takewhile(lambda gpu: gpu not in NONE, map(str.strip, chosen.split(","))))
    return [str(number) for number, _ in enumerate(driver.glob("*"))]
