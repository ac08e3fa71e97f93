"""Keeps the programs of one machine running, and stops them in order."""

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 30.0
AGAIN_S = 1.2  # a worker takes two signals within a second for one wish
HURRIED_GRACE_S = 4.0
STEADY_S = 10.0  # a child that lived so long did start well: the next pause is short again

Say = Callable[[str], None]


async def _nothing(_life: str) -> None: ...


@dataclass(frozen=True)
class Program:
    """What a child runs and how it ends; each start of it, a *life*, has a name of its own."""

    name: str
    command: Callable[[str], list[str]]  # from the name of the life
    grace_s: float
    after_death: Callable[[str], Awaitable[None]] = _nothing
    orphan_signal: signal.Signals = signal.SIGKILL
    pass_fds: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)  # beside the supervisor's own


class Child:
    """One program, started again whenever it ends by itself."""

    def __init__(self, program: Program, environment: Mapping[str, str], say: Say) -> None:
        self.program = program
        self.deaths = 0
        self._environment = environment
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._keep_running())

    async def _keep_running(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            life = f"{self.program.name}-{secrets.token_hex(4)}"
            began = time.monotonic()
            end = await self._live(life)
            self.deaths += 1
            if time.monotonic() - began > STEADY_S:
                pause_s = FIRST_PAUSE_S
            self._say(f"{self.program.name} {end}; it starts again in {pause_s:g} s")
            await self.program.after_death(life)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _live(self, life: str) -> str:
        """Runs the program once and tells how it ended."""
        try:
            self._process = await self._spawn(life)
        except OSError as error:  # no memory or no process number left: that may pass
            return f"cannot be started: {error.strerror}"
        status = await self._process.wait()
        return f"was ended by a signal: {signal.strsignal(-status)}" if status < 0 else f"ended with status {status}"

    async def _spawn(self, life: str) -> asyncio.subprocess.Process:
        # a session of its own: Ctrl-C in the terminal reaches the supervisor alone
        leash = [sys.executable, "-m", "app.leash", str(int(self.program.orphan_signal)), str(os.getpid())]
        return await asyncio.create_subprocess_exec(
            *leash,
            *self.program.command(life),
            stdin=asyncio.subprocess.DEVNULL,
            env={**self._environment, **self.program.environment},
            pass_fds=self.program.pass_fds,
            start_new_session=True,
        )

    async def stop(self, hurry: asyncio.Event) -> None:
        """Asks the child to end, and kills it when its grace is over, which a second asking shortens."""
        if self._keeper:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if not (process := self._process) or process.returncode is not None:
            return
        _ask_to_end(process)
        again_at = time.monotonic() + AGAIN_S
        ended, hurried = asyncio.create_task(process.wait()), asyncio.create_task(hurry.wait())
        await asyncio.wait({ended, hurried}, timeout=self.program.grace_s, return_when=asyncio.FIRST_COMPLETED)
        if hurried.done():
            await asyncio.wait({ended}, timeout=max(0.0, again_at - time.monotonic()))
            _ask_to_end(process)
            await asyncio.wait({ended}, timeout=HURRIED_GRACE_S)
        hurried.cancel()
        if not ended.done():
            self._say(f"{self.program.name} is killed: it did not end by itself")
            with suppress(ProcessLookupError):
                process.kill()
        await ended


def _ask_to_end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()


class Supervisor:
    """Children in stages: a stage's children stop together, the stage started last stops first."""

    def __init__(self, environment: Mapping[str, str], say: Say) -> None:
        self._environment = environment
        self._say = say
        self._stages: list[list[Child]] = []
        self._hurry = asyncio.Event()
        self.stopping = asyncio.Event()

    def listen_to_signals(self) -> None:
        """The first SIGINT, SIGTERM or SIGHUP asks for a stop, the second for a quick one."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop)

    def _asked_to_stop(self) -> None:
        if self.stopping.is_set():
            self._hurry.set()
        else:
            self.stopping.set()
            self._say("stopping")

    def start(self, programs: list[Program]) -> list[Child]:
        stage = [Child(program, self._environment, self._say) for program in programs]
        self._stages.append(stage)
        for child in stage:
            child.start()
        return stage

    async def stop(self) -> None:
        while self._stages:
            await asyncio.gather(*(child.stop(self._hurry) for child in self._stages.pop()))
