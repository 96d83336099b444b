"""
One node that one may kill, freeze, stop and start again, and whose disk one may fill. `life.py` is one life of it.
"""

import asyncio
import json
import os
import resource
import signal
import time
from collections.abc import Callable
from inspect import isawaitable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from bench.crashing.life import begin

PATIENCE = 60.0
_LOOK = 0.02
_ROOM_FOR_LINES = 64 * 1024
"""Bytes: some two hundred lines; the store's log of what it writes is longer soon."""


async def until(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    """Wait until *true*, a function or a coroutine function, says so; fail, naming *what*, after *seconds*."""
    end = time.monotonic() + seconds
    while not (await said if isawaitable(said := true()) else said):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(_LOOK)


class Node:
    """One `hub serve` after another under one name."""

    def __init__(self, name: str, folder: Path, environ: dict[str, str]) -> None:
        self.name = name
        self.url = ""
        self.admin_url = ""
        self.serves = False
        """A balancer would send calls here: it is ready, and nobody has killed, frozen or stopped it."""
        self.deaths: list[int] = []
        """How its lives ended: 0, or the number of the signal, negative."""
        self._folder = folder
        self._environ = environ
        self._lives = 0
        self._life: BaseProcess | None = None

    async def start(self, **environ: str) -> None:
        """Begin a life, and wait until it is ready."""
        self.begin(**environ)
        assert await self.ready(), f"{self.name} ended with {self.deaths[-1]}: {self.errors()}"

    def always(self, **environ: str) -> None:
        """Let every life from now on have *environ* too."""
        self._environ |= environ

    def begin(self, **environ: str) -> None:
        """Begin a life, and do not wait."""
        assert self._life is None, f"{self.name} lives"
        self._lives += 1
        self._life = begin(self._folder, self._output, {**self._environ, **environ})

    async def ready(self) -> bool:
        """Wait until the life that began serves, and return True; or until it ends before that, and return False."""
        life = self._life
        assert life is not None

        def told() -> bool:
            return any(line["event"] == "ready" for line in self.lines())

        await until(lambda: told() or life.exitcode is not None, f"{self.name} ready")
        if life.exitcode is not None:
            await self.died()
            return False
        ready = next(line for line in self.lines() if line["event"] == "ready")
        self.url, self.admin_url = f"http://{ready['listen']}", f"http://{ready['admin']}"
        self.serves = True
        return True

    def lines(self) -> list[dict[str, Any]]:
        """Return what this life has written so far, whole lines only."""
        text = self._output.read_text("utf-8") if self._output.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def grants_by(self) -> str:
        """Return who grants its permits, as it said last: `redis`, `shares`, `none`; empty before it said so."""
        return next((line["by"] for line in reversed(self.lines()) if line["event"] == "granting"), "")

    def exchanges(self) -> int:
        """Return how many exchanges this life has ended so far."""
        return sum(line["event"] == "exchange" for line in self.lines())

    def errors(self) -> str:
        """Return what this life has written to its standard error."""
        return Path(f"{self._output}.errors").read_text("utf-8", "replace")

    async def died(self) -> int:
        """Wait for the end of this life; return its status, negative for a signal."""
        life = self._life
        assert life is not None
        await until(lambda: life.exitcode is not None, f"{self.name} ended")
        self.serves = False
        self._life = None
        life.join()
        assert life.exitcode is not None
        self.deaths.append(life.exitcode)
        return life.exitcode

    @property
    def lives(self) -> bool:
        """Whether it runs, or is frozen."""
        return self._life is not None and self._life.exitcode is None

    async def kill(self) -> None:
        """End it as a power failure would."""
        self._signal(signal.SIGKILL)
        if self._life is not None:
            await self.died()

    def freeze(self) -> None:
        """Let it do nothing more, without closing anything."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)
        self.serves = True

    async def stop(self) -> None:
        """Stop it in order."""
        self._signal(signal.SIGTERM)
        await self.died()

    def fill_disk(self) -> None:
        """Let no file of this life grow beyond what its log may still need, as on a disk that is full."""
        self._limit(self._output.stat().st_size + _ROOM_FOR_LINES)

    def free_disk(self) -> None:
        """Let files grow again."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        assert self._life is not None
        assert self._life.pid is not None
        resource.prlimit(self._life.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def _signal(self, number: int) -> None:
        self.serves = False
        if self._life is not None and self._life.exitcode is None:
            assert self._life.pid is not None
            os.kill(self._life.pid, number)

    @property
    def _output(self) -> Path:
        return self._folder / f"{self.name}-{self._lives}.log"
