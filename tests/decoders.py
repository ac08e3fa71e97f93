import psutil


def programs() -> set[psutil.Process]:
    """The decoding programs that this process has started, for whichever test, and that still run."""
    children = (each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE)
    return {each for each in children if "program.py" in " ".join(each.cmdline())}
