"""Runs a command that does not outlive its parent: `python -m app.leash SIGNAL PARENT COMMAND...`.

Linux sends the signal when the parent dies, however it dies; elsewhere this only runs the command. It is a program of
its own because Python code between fork and exec is not safe where there are threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    signal, parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal))
        if os.getppid() != int(parent):  # it died before the line above
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command is the supervisor's


if __name__ == "__main__":
    main()
