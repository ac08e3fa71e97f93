"""`darkroom demo`: starts Darkroom as a user would, makes one picture and stops it all again."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.client import Client, GenerationStopped
from app.generate import generate, writable_format
from app.supervisor import Say

PROMPT = "a cat wearing a space helmet"
SEED = 7
API_PATIENCE_S = 30.0
STOP_PATIENCE_S = 60.0
LOOK_AGAIN_S = 0.1
LISTENING = re.compile(r"listening on (http://[^\s\"]+)")  # in text or in JSON


class _Service:
    """A `darkroom up` of our own; its lines are passed on."""

    def __init__(self, state_dir: str, say: Say) -> None:
        # the leash: it stops even if the demo itself is killed
        leash = [sys.executable, "-m", "app.leash", str(int(signal.SIGTERM)), str(os.getpid())]
        command = [*leash, sys.executable, "-m", "app.cli", "up", "--port", "0", "--state-dir", state_dir]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.url: str | None = None
        self._say = say
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._say(line.rstrip())
            if found := LISTENING.search(line):
                self.url = found[1]

    def wait_until(self, holds: Callable[[], bool], patience_s: float, what: str) -> None:
        """Raises GenerationStopped."""
        until = time.monotonic() + patience_s
        while not holds():
            if self.process.poll() is not None:
                raise GenerationStopped(f"`darkroom up` ended with status {self.process.returncode}.")
            if time.monotonic() > until:
                raise GenerationStopped(f"{what} within {patience_s:g} s.")
            time.sleep(LOOK_AGAIN_S)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()  # its children are on leashes of their own
            self.process.wait()
        self._reader.join(1)


@contextmanager
def _running(say: Say) -> Iterator[_Service]:
    with tempfile.TemporaryDirectory(prefix="darkroom-demo-") as state_dir:
        service = _Service(state_dir, say)
        try:
            yield service
        finally:
            service.stop()


def demonstrate(file: Path, patience_s: float, say: Say) -> None:
    """Raises GenerationStopped."""
    writable_format(file)
    began = time.monotonic()
    with _running(say) as service:
        service.wait_until(lambda: service.url is not None, API_PATIENCE_S, "The service did not start")
        client = Client(str(service.url))
        service.wait_until(client.is_alive, API_PATIENCE_S, "The API did not answer")
        api_s = time.monotonic() - began
        say(f"the API answers after {api_s:.1f} s; a worker loads the model")
        service.wait_until(lambda: bool(client.warm_models()), patience_s, "No worker was warm")
        warm_s = time.monotonic() - began
        [picture] = generate(client, file, {"prompt": PROMPT, "seed": SEED}, patience_s)
    say(f"API {api_s:.1f} s, warm worker {warm_s:.1f} s after the start; job {picture.seconds:.1f} s")
    say(f'"{PROMPT}", seed {picture.seed}: {picture.path.absolute()}')
